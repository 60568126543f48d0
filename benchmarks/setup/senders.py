"""Senders that cost little: a closed loop over a few connections, in one thread."""

import selectors
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic

from infra.local.ports import LOOPBACK

_ANSWER_SECONDS = 30.0


@dataclass(slots=True)
class Sent:
    """What was answered. `seconds`: from sending to the complete answer, ascending. `accepted`: the places of the posts
    that were answered with 200."""

    duration: float = 0.0
    accepted: list[int] = field(default_factory=list)
    others: int = 0
    seconds: list[float] = field(default_factory=list)


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((LOOPBACK, port), timeout=_ANSWER_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.place = 0
        self.began = 0.0
        self._answer = b""

    def send(self, place: int, post: bytes) -> None:
        self.place, self.began, self._answer = place, monotonic(), b""
        self.socket.sendall(post)

    def status(self) -> int | None:
        """Reads what has arrived. Returns the status once the answer is complete. Answers have a length."""
        self._answer += self.socket.recv(65536)
        head, end, content = self._answer.partition(b"\r\n\r\n")
        if not end or len(content) < _length(head):
            return None
        return int(head[9:12])


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])


def send(port: int, posts: Sequence[bytes], connections: int, seconds: float) -> Sent:
    """Sends complete requests over persistent connections until the time is over, each as soon as the one before it on
    the same connection is answered. Every post is sent at most once."""
    sent, places = Sent(), iter(range(len(posts)))
    with selectors.DefaultSelector() as selector:
        opened = [_Connection(port) for _ in range(connections)]
        began = monotonic()
        waiting = sum(_next(selector, connection, posts, places) for connection in opened)
        while waiting:
            events = selector.select(_ANSWER_SECONDS)
            assert events, "no answer"
            for key, _ in events:
                connection: _Connection = key.data
                status = connection.status()
                if status is None:
                    continue
                now = monotonic()
                sent.seconds.append(now - connection.began)
                if status == 200:
                    sent.accepted.append(connection.place)
                else:
                    sent.others += 1
                selector.unregister(connection.socket)
                is_over = now - began >= seconds
                waiting -= is_over or not _next(selector, connection, posts, places)
        sent.duration = monotonic() - began
        for connection in opened:
            connection.socket.close()
    sent.seconds.sort()
    return sent


def _next(
    selector: selectors.BaseSelector, connection: _Connection, posts: Sequence[bytes], places: Iterator[int]
) -> bool:
    """Sends the next post. Returns whether there was one."""
    place = next(places, None)
    if place is None:
        return False
    connection.send(place, posts[place])
    selector.register(connection.socket, selectors.EVENT_READ, connection)
    return True
