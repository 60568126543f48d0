"""Calls our command line in this process, which saves the time to start a program."""

import io
import logging
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest
import structlog

from witiop.__main__ import main


@dataclass(frozen=True, slots=True)
class Finished:
    """The exit code of a command, and its output to a pipe."""

    code: int
    out: str
    err: str


def call(*arguments: str, environment: Mapping[str, str] | None = None) -> Finished:
    """Runs `witiop ARGUMENTS` with additional environment variables. Not thread-safe."""
    out, err = io.StringIO(), io.StringIO()
    handlers = logging.root.handlers.copy()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["witiop", *arguments])
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:  # as at the end of a process, its logging configuration ends with it
            logging.root.handlers[:] = handlers
            structlog.reset_defaults()
    assert isinstance(ended.value.code, int)
    return Finished(ended.value.code, out.getvalue(), err.getvalue())


class CommandLine:
    """Runs `witiop ARGUMENTS` against the installation that the environment describes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, postgres_dsn: str) -> None:
        self._monkeypatch = monkeypatch
        self.set("WITIOP_POSTGRES_DSN", postgres_dsn)

    def set(self, variable: str, value: str) -> None:
        """Sets an environment variable."""
        self._monkeypatch.setenv(variable, value)

    def __call__(self, *arguments: str) -> Finished:
        return call(*arguments, "--stack", "-")
