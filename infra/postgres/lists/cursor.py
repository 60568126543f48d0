"""Cursors: the end of a page of a list, as a short text that a client sends back to get the next page."""

import base64
import struct
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAYOUT = struct.Struct(">q16s")


class CursorError(ValueError):
    """A text that is not a cursor of a list."""


class Cursor(NamedTuple):
    """The time and id of the last row of a page. The next page begins after it, also if rows were added or removed in
    between. Lists are ordered by time, then id, the latest first."""

    at: datetime
    id: UUID

    def __str__(self) -> str:
        """Returns 32 characters that need no quoting in URLs or in a shell."""
        microseconds = (self.at - _EPOCH) // timedelta(microseconds=1)
        return base64.urlsafe_b64encode(_LAYOUT.pack(microseconds, self.id.bytes)).decode()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the cursor of a text that `str` wrote; raises CursorError for any other text."""
        try:
            microseconds, id_ = _LAYOUT.unpack(base64.urlsafe_b64decode(text.encode()))
            cursor = cls(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=id_))
            if str(cursor) != text:  # the decoder ignores unknown characters
                raise ValueError(text)
        except (struct.error, OverflowError, ValueError) as error:
            raise CursorError("not a cursor: use the one that the previous page returned") from error
        return cursor


END = Cursor(datetime.min.replace(tzinfo=UTC), UUID(int=0))
"""The cursor behind the last page; of lists that begin with the earliest, that of the first page."""
START = Cursor(datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))
"""The cursor of the first page."""
