"""Pictures made small, without what cameras write into them: place, time and device. A picture is opened by a process
of its own, with little memory and time: what a stranger sends must not be able to harm the process that fetches it."""

import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import structlog

_PROGRAM = Path(__file__).with_name("thumbnail_program.py")
_SECONDS = 20.0
_MOST_BYTES = 1024 * 1024

log = structlog.get_logger("media")


def thumbnail(picture: BinaryIO) -> bytes | None:
    """Returns a JPEG of at most 480 x 480 pixels; None if the file is no picture that can be opened within the limits.
    `picture`: a real file, read from its beginning."""
    picture.seek(0)
    try:
        # isolated: the program sees neither our environment nor the directory that we were started in
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-I", str(_PROGRAM)],
            stdin=picture,
            capture_output=True,
            timeout=_SECONDS,
            env={},
            check=False,
        )
    except subprocess.TimeoutExpired:
        log.warning("media.thumbnail_failed", reason="timeout")
        return None
    if done.returncode != 0 or not 0 < len(done.stdout) <= _MOST_BYTES:
        log.warning("media.thumbnail_failed", reason=f"exit code {done.returncode}")
        return None
    return done.stdout
