"""Limits of attempts to sign in, per network and per name."""

import ipaddress
from typing import Any, NamedTuple

from psycopg import Connection

from console.request import address
from infra.postgres.console import sign_ins

TRIES_PER_NETWORK, TRIES_PER_NAME, TRIES_ANYWHERE = 40, 10, 1000
"""Sign-in attempts within 15 minutes: from one network, from one network for one name, and for one name from anywhere.
Above a limit, attempts are rejected even with the right password. The last limit is far above the others, so that
locking a person out takes a hundred networks, or 33 sites with IPv6; it is too low to guess a password that `weakness`
accepts."""
SITE_TRIES, SITE_TRIES_PER_NAME = 160, 30
"""The same for a site with IPv6, which may have 65,536 networks."""


def network_keys() -> list[str]:
    """Returns the networks of the request's address, as attempts from them are counted."""
    return [each.key for each in _networks(address())]


def too_many_networks(conn: Connection[Any]) -> bool:
    """Counts an attempt of which no name is known yet, for the networks of the request's address."""
    sign_ins.forget_old_tries(conn)
    return any(sign_ins.count_try(conn, "a", each.key) > each.tries for each in _networks(address()))


def too_many_attempts(conn: Connection[Any], name: str) -> bool:
    """Counts an attempt. One that a limit stops does not count towards the next limit: a network that guesses too often
    uses up its own attempts, never those of the person."""
    sign_ins.forget_old_tries(conn)
    return (
        any(
            sign_ins.count_try(conn, "a", each.key) > each.tries
            or sign_ins.count_try(conn, "b", sign_ins.network_and_name(each.key, name)) > each.tries_per_name
            for each in _networks(address())
        )
        or sign_ins.count_try(conn, "n", name) > TRIES_ANYWHERE
    )


class _Network(NamedTuple):
    """A network that attempts are counted for, and its limits."""

    key: str
    tries: int = TRIES_PER_NETWORK
    tries_per_name: int = TRIES_PER_NAME


def _networks(text: str) -> tuple[_Network, ...]:
    """The networks of an address, the largest first. An IPv6 client usually has a whole /64 network, and its site up to
    a /48. A server that listens on both families sees IPv4 addresses as IPv6 ones; they count one by one."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return (_Network(text),)
    if found.version == 4:
        return (_Network(str(found)),)
    if found.ipv4_mapped is not None:
        return (_Network(str(found.ipv4_mapped)),)
    site, network = (str(ipaddress.ip_network((found.packed, bits), strict=False)) for bits in (48, 64))
    return (_Network(site, SITE_TRIES, SITE_TRIES_PER_NAME), _Network(network))
