"""The program that reads files with recipients: it gets a request and a file as its input, and writes frames. It has
little memory and time, no database and no secrets: what a stranger sends must not be able to harm anything else.

Request: a line of JSON with `size`, the bytes of the file behind it, and either nothing else (then the file is
described) or what `RowRequest` has (then its rows are checked).
Frame: a line of JSON; behind it as many bytes as it says in `recipients` and `problems`, lines in the form of COPY.
"""

import os
import resource
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO

from domain.campaigns.files.refusals import RefusedFile

MEMORY = 1280 * 1024 * 1024
"""Address space in bytes. A million rows of six cells, no text twice, take 0.9 GiB, most of it calamine's."""
PROCESSOR_SECONDS = 300
"""A million rows take 60 s on a slow machine."""
_NICENESS = 5
"""Agents' answers come first."""


def serve(source: BinaryIO, out: BinaryIO) -> None:
    """Reads a request and writes its frames; the last one has `end`, or `refused` with `detail`. Raises MemoryError,
    OSError."""
    from pydantic_core import from_json, to_json

    request: dict[str, Any] = from_json(source.readline())
    content = source.read(request["size"])
    if len(content) != request["size"]:
        return  # the process that asked died meanwhile

    def write(head: Mapping[str, Any], *parts: bytes) -> None:
        out.write(to_json(head) + b"\n")
        for part in parts:
            out.write(part)
        out.flush()

    try:
        if "mapping" in request:
            from infra.sheets.checking import check_rows

            for frame in check_rows(content, request):
                write(frame.head, frame.recipients, frame.problems)
            write({"end": True})
        else:
            from infra.sheets.describing import describe

            write({"end": True, **describe(content)})
    except RefusedFile as refused:
        write({"refused": refused.problem, "detail": refused.detail})


def main(memory: int) -> int:
    """Returns the exit code: 0 if a last frame was written, 3 if the memory was not enough. `memory`: address space in
    bytes."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICENESS)
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except MemoryError:
        return 3
    except BaseException:  # a panic of calamine's is no Exception
        return 1
    return 0
