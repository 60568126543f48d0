"""TCP ports of this machine's loopback address."""

import socket

from infra.local.errors import LocalServerError

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def require_free(port: int, purpose: str, cure: str) -> None:
    """Raise LocalServerError when somebody listens on the port already."""
    with socket.socket() as probe:
        # As the servers do: a connection of a server that just stopped does not keep its port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise LocalServerError(f"port {port} ({purpose}) is taken by another program: {cure}") from error
