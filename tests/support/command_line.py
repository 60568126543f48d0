"""Our command line, called in this process as a shell calls it."""

import logging
import sys
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


class CommandLine:
    """`witiop ARGUMENTS` against the installation that the environment describes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], postgres_dsn: str) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.set("WITIOP_POSTGRES_DSN", postgres_dsn)

    def set(self, variable: str, value: str) -> None:
        """A variable of the environment."""
        self._monkeypatch.setenv(variable, value)

    def __call__(self, *arguments: str) -> Finished:
        self._monkeypatch.setattr(sys, "argv", ["witiop", *arguments, "--stack", "-"])
        self._capsys.readouterr()
        handlers = logging.root.handlers.copy()
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:  # as the end of a process does: its logs go no further
            logging.root.handlers[:] = handlers
            structlog.reset_defaults()
        assert isinstance(ended.value.code, int)
        return Finished(ended.value.code, *self._capsys.readouterr())
