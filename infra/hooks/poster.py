"""Posts to webhooks of other services: to public addresses only, without following anything, within a limit of time.

An address was typed by a person. It must not lead to what only this machine can reach: the metadata service of a cloud,
a database, the monitor of a process. So its name is resolved once, the addresses are checked, and the connection is
made to the address that was checked.
"""

import socket
import ssl
from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv6Address, ip_address, ip_network
from threading import Timer
from urllib.parse import SplitResult

from domain.alarms.channels import AddressRefused, check_address

CONNECT_SECONDS, READ_SECONDS = 3.0, 8.0
WHOLE_SECONDS = 15.0
"""A receiver that answers byte by byte has no more than this."""
_GLOBAL_UNICAST = ip_network("2000::/3")
_TUNNELS = tuple(map(ip_network, ("2001::/23", "2002::/16")))
"""Teredo and 6to4: such an address leads to an IPv4 address inside it."""
_LATER = frozenset({408, 409, 423, 425, 429})
_MOST_RETRY_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class HookOutcome:
    """How a post ended. `problem`: None: it was accepted; else a code or a status, never what was answered. `is_final`:
    the same post would fail again; `retry_seconds`: when the receiver wants it again, None if it did not say."""

    problem: str | None = None
    is_final: bool = False
    retry_seconds: float | None = None


class HookPoster:
    """Posts, from any number of threads. `private_hosts`: names or addresses that may lead to a private network, and
    over http."""

    def __init__(self, private_hosts: Collection[str] = (), whole_seconds: float = WHOLE_SECONDS) -> None:
        self._private_hosts = frozenset(private_hosts)
        self._whole_seconds = whole_seconds
        self._tls = ssl.create_default_context()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HookOutcome:
        """Posts JSON once. Blocks for `whole_seconds`, and for as long as the system takes to resolve a name."""
        try:
            parts = check_address(url, self._private_hosts)
            address = self._resolved(parts)
        except AddressRefused as error:
            return HookOutcome(str(error), is_final=True)
        except (OSError, UnicodeError):  # a label of the name is empty or too long
            return HookOutcome("no_such_host")
        try:
            return self._post(parts, address, body, headers)
        except TimeoutError:
            return HookOutcome("time_out")
        except ssl.SSLError:
            return HookOutcome("tls")
        except (OSError, HTTPException) as error:
            return HookOutcome("refused" if isinstance(error, ConnectionRefusedError) else "connection_lost")

    def _resolved(self, parts: SplitResult) -> tuple[str, int]:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        found = [info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        if host not in self._private_hosts and not all(_is_public(str(address)) for address in found):
            raise AddressRefused("private_address")
        return str(found[0]), port

    def _post(
        self, parts: SplitResult, address: tuple[str, int], body: bytes, headers: Mapping[str, str]
    ) -> HookOutcome:
        host = parts.hostname or ""
        cutter = _Cutter(socket.create_connection(address, CONNECT_SECONDS), self._whole_seconds)
        with closing(cutter):
            if parts.scheme == "https":
                cutter.connected = self._tls.wrap_socket(cutter.connected, server_hostname=host)
            connection = HTTPConnection(host)
            connection.sock = cutter.connected
            with closing(connection):
                path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
                sent = {"Host": parts.netloc, "Content-Type": "application/json", "User-Agent": "witiop"}
                connection.request("POST", path, body, {**sent, **headers})
                response = connection.getresponse()
                return _outcome(response.status, response.headers.get("Retry-After"))


class _Cutter:
    """A connection that is cut after a time, whatever is read from it meanwhile."""

    def __init__(self, connected: socket.socket, seconds: float) -> None:
        self.connected = connected
        connected.settimeout(READ_SECONDS)
        self._timer = Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def _cut(self) -> None:
        with suppress(OSError):  # it is closed already
            self.connected.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes the connection, and forgets the time."""
        self._timer.cancel()
        self.connected.close()


def _is_public(address: str) -> bool:
    """Whether an address leads to the public network. Of IPv6 only what is given out to networks: other addresses may
    be an IPv4 address in disguise, which a gateway (NAT64, 64:ff9b::/96) turns into a private one."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return _is_public(str(found.ipv4_mapped))
        if found not in _GLOBAL_UNICAST or any(found in tunnel for tunnel in _TUNNELS):
            return False
    return found.is_global and not found.is_multicast


def _outcome(status: int, retry_after: str | None) -> HookOutcome:
    if 200 <= status < 300:
        return HookOutcome()
    is_final = 300 <= status < 500 and status not in _LATER
    return HookOutcome(f"http_{status}", is_final, None if is_final else _retry_seconds(retry_after))


def _retry_seconds(value: str | None) -> float | None:
    """Returns the seconds of a Retry-After, a number or a date; None: there is none that can be read."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), _MOST_RETRY_SECONDS)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
    return min(max(seconds, 0.0), _MOST_RETRY_SECONDS)
