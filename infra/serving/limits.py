"""Limits of a process that answers HTTP requests."""

from dataclasses import dataclass

QUEUE_SECONDS = 0.3
"""How long a request may wait for a thread. A stall of the machine that is this short rejects nobody; after a longer
one the sender still gets its answer in time."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Limits of one process.

    Bodies: a body has at most `body_bytes`, all bodies together `buffered_bytes`, and a body must arrive within
    `body_seconds`. Up to `dropped_bytes` of what follows a rejected request are read and dropped.

    Application: `threads` run it. At most `waiting` further requests wait for a thread, each for `queue_seconds` at
    most. A request that is not answered after `answer_seconds` is answered with 503; None: no limit.

    Connections: at most `connections` are open. One that sends no request, or only a part of one, is closed after
    `head_seconds`; sooner if its address has more than `waiting_per_address` of them, or if all connections are in
    use. With `proxies` in front (their number), the address of a client is the one that the outermost of them reports
    in X-Forwarded-For."""

    body_bytes: int
    threads: int = 64
    waiting: int = 128
    queue_seconds: float = QUEUE_SECONDS
    answer_seconds: float | None = None
    buffered_bytes: int = 64 * 1024 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 10.0
    dropped_bytes: int = 16 * 1024 * 1024
    connections: int = 512
    waiting_per_address: int = 128
    proxies: int = 0
