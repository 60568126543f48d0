"""Ports for a stack of its own."""

import psutil

from infra.local.ports import free_port
from witiop.dev import PORTS


def twenty_free_ports() -> int:
    """The first of a row of ports that are free."""
    while True:
        first = free_port()
        used = {connection.laddr[1] for connection in psutil.net_connections("tcp") if connection.laddr}
        if first + PORTS < 65536 and used.isdisjoint(range(first, first + PORTS)):
            return first
