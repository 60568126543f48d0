"""Connections that the server waits for: they have not sent a complete request, or do not take their answer.

Anybody can open such connections at no cost. So no address has more than its share of them, and if all connections are
in use, the address that has most of them loses its oldest one. Senders that send their requests at once are never
affected.
"""

from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import Protocol

_LONGEST_HOST = 64


class Waited(Protocol):
    """A connection that the server waits for, until `deadline` (monotonic seconds). `address`: see `address_of`; empty
    for a trusted proxy, which has no share of its own."""

    deadline: float
    address: str


class Waiting:
    """All of these connections by address, in the order in which the wait for them began."""

    def __init__(self, per_address: int) -> None:
        self._per_address = per_address
        self._by_address: dict[str, dict[Waited, None]] = {}

    def enter(self, connection: Waited) -> Waited | None:
        """Adds a connection. Returns the one to close instead, if its address has more than its share."""
        own = self._by_address.setdefault(connection.address, {})
        own[connection] = None
        return next(iter(own)) if connection.address and len(own) > self._per_address else None

    def leave(self, connection: Waited) -> None:
        """Removes a connection, if it is here."""
        own = self._by_address.get(connection.address)
        if own is not None:
            own.pop(connection, None)
            if not own:
                del self._by_address[connection.address]

    def to_close(self) -> Waited | None:
        """Returns the oldest connection of the address that has most of them; None if there is none."""
        most = max(self._by_address.values(), key=len, default=None)
        return next(iter(most)) if most else None

    def expired(self, now: float) -> Iterator[Waited]:
        """Yields the connections whose deadline has passed. They may leave meanwhile."""
        for own in list(self._by_address.values()):
            for connection in list(own):
                if connection.deadline <= now:
                    yield connection


def address_of(host: str) -> str:
    """Returns what one sender has: an IPv4 address, or the /64 network of an IPv6 address. Any other text is returned
    unchanged."""
    if ":" not in host:
        return host
    try:
        address = IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> 64 << 64))


def forwarded_address(forwarded_for: str, proxies: int) -> str | None:
    """Returns the address of the client from the value of X-Forwarded-For, to which each of the trusted `proxies` has
    added one; None if there are not as many."""
    hosts = forwarded_for.rsplit(",", proxies)[-proxies:]
    host = hosts[0].strip().strip("[]") if len(hosts) == proxies else ""
    return address_of(host[:_LONGEST_HOST]) if host else None
