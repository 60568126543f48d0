"""Our command line, called in this process as a shell calls it: what it does, without the time that a program takes to
start."""

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
    """What a command left behind: its exit code, and what it wrote to a pipe."""

    code: int
    out: str
    err: str


def call(*arguments: str, environment: Mapping[str, str] | None = None) -> Finished:
    """`witiop ARGUMENTS` with these variables besides those that are set. Not from several threads at a time."""
    out, err = io.StringIO(), io.StringIO()
    handlers = logging.root.handlers.copy()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["witiop", *arguments])
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:  # as the end of a process does: its logs go no further
            logging.root.handlers[:] = handlers
            structlog.reset_defaults()
    assert isinstance(ended.value.code, int)
    return Finished(ended.value.code, out.getvalue(), err.getvalue())


class CommandLine:
    """`witiop ARGUMENTS` against the installation that the environment describes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, postgres_dsn: str) -> None:
        self._monkeypatch = monkeypatch
        self.set("WITIOP_POSTGRES_DSN", postgres_dsn)

    def set(self, variable: str, value: str) -> None:
        """A variable of the environment."""
        self._monkeypatch.setenv(variable, value)

    def __call__(self, *arguments: str) -> Finished:
        return call(*arguments, "--stack", "-")
