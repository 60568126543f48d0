"""The files that simulated customers send."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from infra.local.simulator.bodies import BodyObject

_FILES = Path(__file__).with_name("files")


class SimulatedFile(NamedTuple):
    """A file that customers send."""

    name: str
    mime_type: str

    @property
    def content(self) -> bytes:
        """Its bytes."""
        return (_FILES / self.name).read_bytes()


PHOTO, VOICE = SimulatedFile("bike.jpg", "image/jpeg"), SimulatedFile("bell.ogg", "audio/ogg; codecs=opus")
"""A drawing of a bicycle, and two rings of its bell."""
RECEIPT = SimulatedFile("receipt.pdf", "application/pdf")
"""One page, which says what a bicycle cost."""

Uploader = Callable[[str, SimulatedFile], str]
"""Brings a file to the Graph API for a number and returns its id."""


def sent_file(file: SimulatedFile, id_: str) -> BodyObject:
    """Returns the part of a message that names a file."""
    sha256 = base64.b64encode(hashlib.sha256(file.content).digest()).decode()
    return {"id": id_, "mime_type": file.mime_type, "sha256": sha256}
