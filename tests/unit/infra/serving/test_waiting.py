"""Which waiting connection is closed when there are too many."""

import pytest

from infra.serving.waiting import Waiting, address_of, forwarded_address


class Connection:
    def __init__(self, address: str, deadline: float = 0.0) -> None:
        self.address, self.deadline = address, deadline


def test_an_address_with_more_than_its_share_loses_its_oldest_connection() -> None:
    waiting = Waiting(per_address=2)
    first, second, third, other = (Connection(address) for address in ("a", "a", "a", "b"))

    assert [None, None, None, first] == [waiting.enter(each) for each in (first, second, other, third)]


def test_a_connection_that_goes_on_is_not_counted_any_more() -> None:
    waiting = Waiting(per_address=1)
    first, second = Connection("a"), Connection("a")
    waiting.enter(first)
    waiting.leave(first)

    assert waiting.enter(second) is None


def test_a_trusted_proxy_has_no_share() -> None:
    waiting = Waiting(per_address=1)

    assert [None] * 3 == [waiting.enter(Connection("")) for _ in range(3)]


def test_when_all_connections_are_in_use_the_address_that_has_most_loses_its_oldest_one() -> None:
    waiting = Waiting(per_address=10)
    few, first_of_many, last_of_many = Connection("a"), Connection("b"), Connection("b")
    for connection in (few, first_of_many, last_of_many):
        waiting.enter(connection)

    assert waiting.to_close() is first_of_many
    assert Waiting(1).to_close() is None


def test_connections_expire_at_their_deadlines() -> None:
    waiting = Waiting(per_address=10)
    late, in_time, later = Connection("a", 1.0), Connection("a", 3.0), Connection("b", 2.0)
    for connection in (late, in_time, later):
        waiting.enter(connection)

    assert [late, later] == list(waiting.expired(2.0))


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("not: an address", "not: an address"),
        ("", ""),
    ],
)
def test_an_ipv6_sender_has_the_64_bits_of_its_network(host: str, address: str) -> None:
    assert address == address_of(host)


@pytest.mark.parametrize(
    ("header", "proxies", "address"),
    [
        ("192.0.2.7", 1, "192.0.2.7"),
        ("forged, 192.0.2.7", 1, "192.0.2.7"),
        ("forged, 192.0.2.7, 198.51.100.1", 2, "192.0.2.7"),
        ("[2001:db8::1]", 1, "2001:db8::"),
        ("192.0.2.7", 2, None),
        ("", 1, None),
        (",", 1, None),
    ],
)
def test_the_address_behind_proxies_is_the_one_that_the_outermost_proxy_saw(
    header: str, proxies: int, address: str | None
) -> None:
    assert address == forwarded_address(header, proxies)
