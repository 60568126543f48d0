"""What an error code of Meta's Graph API means for a send: whether the message was certainly not sent, what has to
wait for how long, and what helps. The codes are Meta's; the classes are ours (docs/design/sending.md)."""

from datetime import timedelta
from typing import Literal, NamedTuple

Scope = Literal["message", "recipient", "template", "templates", "number"]
"""What an error is about, and so what has to wait: one message, everything to one customer, one template, all
templates of a number, or everything from a number."""

ErrorClass = Literal["wait", "failed", "later", "unknown"]
"""`wait`: certainly not sent, and sent later by itself. `failed`: failed for good. `later`: failed, but a person may
send it again after a while. `unknown`: it may have been sent, and is never sent again by itself."""


class GraphError(NamedTuple):
    """What one error code means. `help`: what a person can do, by its key in `domain.contract.texts`. `wait`: before
    the next attempt may succeed. `needs_person`: nothing is sent until a person has mended something at Meta."""

    kind: ErrorClass
    scope: Scope
    help: str
    wait: timedelta = timedelta()
    needs_person: bool = False


_MINUTE = timedelta(minutes=1)

_TOKEN = GraphError("wait", "number", "token", _MINUTE, needs_person=True)
_ACCOUNT = GraphError("wait", "number", "account", 5 * _MINUTE, needs_person=True)
_RATE = GraphError("wait", "number", "rate", timedelta(seconds=1))
_CALLS = GraphError("wait", "number", "rate", _MINUTE)
_PAIR = GraphError("wait", "recipient", "rate", timedelta(seconds=4))
_SPAM = GraphError("wait", "templates", "spam", 30 * _MINUTE, needs_person=True)
_TEMPLATE = GraphError("failed", "template", "template")
_PARAMETERS = GraphError("failed", "message", "parameters")
_TROUBLE = GraphError("unknown", "message", "unknown", 15 * _MINUTE)
_UNDELIVERABLE = GraphError("failed", "message", "undeliverable")

_TABLE: dict[int, GraphError] = {
    **dict.fromkeys((1, 2, 131000, 131016, 135000), _TROUBLE),
    **dict.fromkeys((4, 80007), _CALLS),
    130429: _RATE,
    131057: _CALLS,
    131056: _PAIR,
    **dict.fromkeys((131048, 131064), _SPAM),
    133016: _ACCOUNT,
    **dict.fromkeys((0, 3, 10, 190, *range(200, 300), 131005), _TOKEN),
    **dict.fromkeys((368, 130497, 131031, 131037, 131042, 131044, 131045), _ACCOUNT),
    131063: GraphError("failed", "template", "marketing_off"),
    **dict.fromkeys((132001, 132007, 132015, 132016), _TEMPLATE),
    **dict.fromkeys((100, 131008, 131009, 132000, 132005, 132008, 132012, 132018), _PARAMETERS),
    132068: _TEMPLATE,
    132069: GraphError("later", "template", "template", timedelta(hours=1)),
    131047: GraphError("failed", "message", "window_closed"),
    131026: _UNDELIVERABLE,
    131049: GraphError("later", "message", "marketing_limit", timedelta(hours=24)),
    131050: GraphError("failed", "message", "opted_out"),
    130472: GraphError("failed", "message", "experiment"),
    **dict.fromkeys((131021, 131030, 131051, 131062, 137000), _UNDELIVERABLE),
    **dict.fromkeys((131052, 131053), GraphError("later", "message", "media", _MINUTE)),
}
_OTHER = GraphError("failed", "message", "other")
_MAX_PAIR_WAITS = 4


def answer_error(code: int, http_status: int) -> GraphError:
    """Returns what an error in the answer to a post means. A code that is not known decides nothing about a server
    error or a throttled request: then the status does."""
    known = _TABLE.get(code)
    if known is not None:
        return known
    if http_status == 429:
        return _CALLS
    return _TROUBLE if http_status >= 500 else _OTHER


def status_error(code: int | None) -> GraphError:
    """Returns what the code of a `failed` status means. Meta accepted the message before, so nothing is repeated by
    itself: what could be sent again later is a person's decision."""
    known = _TABLE.get(code, _OTHER) if code is not None else _OTHER
    return known._replace(kind="later") if known.kind in ("wait", "unknown") else known


def pair_wait(attempts: int) -> timedelta:
    """Returns how long a customer must not be sent anything after Meta refused the `attempts`-th message in a row
    because they came too fast: 4, 16, 64, then 256 seconds."""
    return timedelta(seconds=4 ** min(max(attempts, 1), _MAX_PAIR_WAITS))
