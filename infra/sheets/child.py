"""Starts the program that reads files with recipients, in a process of its own, and reads its frames."""

import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGABRT, SIGKILL, SIGXCPU
from types import TracebackType
from typing import Any, NamedTuple, Self

from pydantic_core import from_json, to_json

from domain.campaigns.files.refusals import CampaignFileProblem, RefusedFile
from infra.sheets.program import MEMORY

_ROOT = Path(__file__).resolve().parents[2]
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from infra.sheets.program import main; sys.exit(main(int(sys.argv[2])))"
)
_MOST_BYTES = 64 * 1024 * 1024
"""Of a frame. A program that writes more is not ours any more."""
_ENDS: Mapping[int, CampaignFileProblem] = {
    3: "too_much_memory",
    -SIGABRT: "too_much_memory",
    -SIGXCPU: "too_much_time",
}
"""How the program ends -> what is wrong with the file. Calamine aborts if it gets no memory."""


class ReaderKilled(Exception):
    """Somebody else killed the program, for instance a system without memory: the file may be tried again."""


class ChildFrame(NamedTuple):
    """What the program wrote at once (`infra.sheets.program`)."""

    head: Mapping[str, Any]
    recipients: bytes = b""
    problems: bytes = b""


class FileReader:
    """Reads a file in a process of its own, which ends with this object."""

    def __init__(
        self, size: int, content: Iterable[bytes], request: Mapping[str, Any] | None = None, memory: int = MEMORY
    ) -> None:
        """`content`: the file, `size` bytes; `request`: what is asked besides (`infra.sheets.checking`); `memory`: that
        the process may have, in bytes."""
        # isolated: it sees neither our environment nor the directory that we were started in
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-X", "utf8", "-c", _START, str(_ROOT), str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it may have read what belongs in no log
            env={},
            cwd="/",
        )
        try:
            self._send({**(request or {}), "size": size}, content)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process, for tests."""
        return self._process.pid

    def frames(self) -> Iterator[ChildFrame]:
        """Yields the frames, the last one with `end`. Raises RefusedFile, ReaderKilled."""
        out = self._process.stdout
        assert out is not None
        while line := out.readline(_MOST_BYTES):
            head = from_json(line)
            if "refused" in head:
                raise RefusedFile(head["refused"], head["detail"])
            sizes = int(head.get("recipients", 0)), int(head.get("problems", 0))
            if not 0 <= sum(sizes) <= _MOST_BYTES:
                raise RefusedFile("damaged", "frame")
            frame = ChildFrame(head, out.read(sizes[0]), out.read(sizes[1]))
            if (len(frame.recipients), len(frame.problems)) != sizes:
                break
            yield frame
            if "end" in head:
                return
        ended = self._process.wait()
        if ended == -SIGKILL:
            raise ReaderKilled
        raise RefusedFile(_ENDS.get(ended, "damaged"), f"exit code {ended}")

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, request: Mapping[str, Any], content: Iterable[bytes]) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        with suppress(BrokenPipeError):  # it has ended; how, its frames tell
            pipe.write(to_json(request) + b"\n")
            for chunk in content:
                pipe.write(chunk)
            pipe.close()
        if isinstance(content, Generator):
            content.close()  # with its transaction, also if not all of it was wanted
