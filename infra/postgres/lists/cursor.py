"""Where a page of a list ended: a moment and an id, newest first, as a word that programs hand back to us."""

import base64
import struct
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAYOUT = struct.Struct(">q16s")


class CursorError(ValueError):
    """Not a cursor that a list gave out."""


class Cursor(NamedTuple):
    """The next page begins behind it, whatever was added or removed in between."""

    at: datetime
    id: UUID

    def __str__(self) -> str:
        """32 characters, safe in addresses and in a shell."""
        microseconds = (self.at - _EPOCH) // timedelta(microseconds=1)
        return base64.urlsafe_b64encode(_LAYOUT.pack(microseconds, self.id.bytes)).decode()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises CursorError for anything that `str` did not write."""
        try:
            microseconds, id_ = _LAYOUT.unpack(base64.urlsafe_b64decode(text.encode()))
            cursor = cls(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=id_))
            if str(cursor) != text:  # the decoder passes over what it does not know
                raise ValueError(text)
        except (struct.error, OverflowError, ValueError) as error:
            raise CursorError("not a cursor: take the one that the page before ended with") from error
        return cursor


START = Cursor(datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))
"""Before the first page."""
