"""The order of arrival, which orders facts of the same time.

Meta gives the times of messages in whole seconds, so several often share one. They stay in the order in which they
came: first the body that arrived first, and within a body as it lists them. Of several copies of a fact the earliest
arrival counts.

An arrival is one integer that sorts in this order: the milliseconds since 1970 at which the webhook received the body,
times 2**14, plus the fact's place in the body. 0: unknown, for facts that were stored by earlier versions.
"""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_PLACE_BITS = 14
MAX_PLACE = (1 << _PLACE_BITS) - 1
"""The last place in a body that has an order of its own; later places share it."""
MAX_ARRIVAL = (1 << 62) - 1
"""The largest arrival, of the year 10889: it fits into PostgreSQL's bigint."""


def arrival(received_at: datetime, place: int = 0) -> int:
    """Returns the arrival of a fact at a place (from 0) of a body that was received at an aware time."""
    return max(0, (received_at - _EPOCH) // _MILLISECOND) << _PLACE_BITS | min(place, MAX_PLACE)


def received_at(arrived: int) -> datetime:
    """Returns when the body of a fact with this arrival was received (aware UTC)."""
    return _EPOCH + (arrived >> _PLACE_BITS) * _MILLISECOND


def arrived_by(claimed: int, received_at: datetime) -> int:
    """Returns an arrival that is not later than `received_at`; its place stays. 0 becomes `received_at`: whatever is
    not known arrived at the latest then."""
    latest = arrival(received_at, claimed & MAX_PLACE)
    return min(claimed, latest) if claimed else latest


def arrived_at(arrival: int) -> datetime | None:
    """Returns when a fact arrived (aware UTC); None: it is not known."""
    return _EPOCH + (arrival >> _PLACE_BITS) * _MILLISECOND if arrival else None
