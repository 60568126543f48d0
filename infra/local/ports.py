"""TCP ports on this machine's loopback address."""

import secrets
import socket

from infra.local.errors import LocalServerError

LOOPBACK = "127.0.0.1"

_returned: set[int] = set()


def free_port(row: int = 1) -> int:
    """Returns the first of `row` consecutive ports that are free now. Never returns a port twice."""
    # Operating systems use ports from 32768 on for outgoing connections. A server's port in that range could be taken
    # while the server is down, even by a client that tries to reach it.
    while True:
        first = 10_000 + secrets.randbelow(22_000)
        ports = range(first, first + row)
        if _returned.isdisjoint(ports) and all(map(_is_free, ports)):
            _returned.update(ports)
            return first


def require_free(port: int, purpose: str, fix: str) -> None:
    """Raises LocalServerError if another program listens on the port."""
    if not _is_free(port):
        raise LocalServerError(f"port {port} ({purpose}) is in use by another program: {fix}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Like the servers: connections of a server that has just stopped do not block its port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
