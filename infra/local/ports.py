"""TCP ports of this machine's loopback address."""

import secrets
import socket

from infra.local.errors import LocalServerError

LOOPBACK = "127.0.0.1"

_given_out: set[int] = set()


def free_port(row: int = 1) -> int:
    """The first of a row of ports that nobody listens on now.

    Systems give ports from 32768 on to outgoing connections: one of those might be taken while its server is down,
    even by the very client that tries to reach it. None is given out twice: whom it was given to may not listen yet.
    """
    while True:
        first = 10_000 + secrets.randbelow(22_000)
        ports = range(first, first + row)
        if _given_out.isdisjoint(ports) and all(map(_is_free, ports)):
            _given_out.update(ports)
            return first


def require_free(port: int, purpose: str, cure: str) -> None:
    """Raise LocalServerError when somebody listens on the port already."""
    if not _is_free(port):
        raise LocalServerError(f"port {port} ({purpose}) is taken by another program: {cure}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a connection of a server that just stopped does not keep its port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
