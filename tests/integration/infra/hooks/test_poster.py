"""Posts to webhooks of others: only where they may go, once, and within a limit of time."""

import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic

import pytest

from infra.hooks.poster import HookOutcome, HookPoster
from tests.support.listener import listening

LOCAL = "127.0.0.1"


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"),
        *("[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:10.0.0.1]", "localhost"),
        *("[64:ff9b::10.0.0.1]", "[2002:7f00:1::]", "[::127.0.0.1]", "[::ffff:0:10.0.0.1]", "[fec0::1]"),
    ],
)
def test_nothing_is_posted_to_a_private_network(host: str) -> None:
    """The address is judged, not the name: a name may lead anywhere."""
    assert HookPoster().post(f"https://{host}/hook", b"{}", {}) == HookOutcome("private_address", is_final=True)


def test_a_post_arrives_with_its_headers() -> None:
    with listening() as listener:
        outcome = HookPoster([LOCAL]).post(f"{listener.url}/hook?key=1", b'{"text": "x"}', {"Idempotency-Key": "7"})
        assert outcome == HookOutcome()
        (received,) = listener.received
    assert (received.path, received.body) == ("/hook?key=1", b'{"text": "x"}')
    assert received.headers["Idempotency-Key"] == "7"
    assert received.headers["Content-Type"] == "application/json"
    assert received.headers["Host"] == listener.url.removeprefix("http://")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (204, HookOutcome()),
        (301, HookOutcome("http_301", is_final=True)),
        (307, HookOutcome("http_307", is_final=True)),
        (404, HookOutcome("http_404", is_final=True)),
        (429, HookOutcome("http_429", retry_seconds=30)),
        (500, HookOutcome("http_500", retry_seconds=30)),
        (0, HookOutcome("connection_lost")),
    ],
)
def test_an_answer_decides_what_comes_next(status: int, expected: HookOutcome) -> None:
    """A redirect is not followed: it could lead into a private network."""
    with listening() as listener:
        listener.answer = lambda _: status
        listener.headers = {"Retry-After": "30", "Location": f"{listener.url}/other"}
        assert HookPoster([LOCAL]).post(listener.url, b"{}", {}) == expected
        assert [each.path for each in listener.received] == ["/"]


def test_a_date_may_say_when_to_come_back_and_an_hour_is_the_longest() -> None:
    with listening() as listener:
        listener.answer = lambda _: 503
        listener.headers = {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=90))}
        seconds = HookPoster([LOCAL]).post(listener.url, b"{}", {}).retry_seconds
        assert seconds is not None
        assert 80 < seconds <= 90
        listener.headers = {"Retry-After": "999999"}
        assert HookPoster([LOCAL]).post(listener.url, b"{}", {}).retry_seconds == 3600


@pytest.mark.parametrize(
    "value", ["soon", "Mon, 30 Nov 99999999999 10:00:00 GMT", "Mon, 30 Nov 2026 10:00:00 +99999999999999999999"]
)
def test_what_a_receiver_says_that_cannot_be_read_is_as_if_it_said_nothing(value: str) -> None:
    with listening() as listener:
        listener.answer = lambda _: 503
        listener.headers = {"Retry-After": value}
        assert HookPoster([LOCAL]).post(listener.url, b"{}", {}) == HookOutcome("http_503")


def test_nobody_answers() -> None:
    with listening() as listener:
        url = listener.url
    assert HookPoster([LOCAL]).post(url, b"{}", {}) == HookOutcome("refused")
    assert HookPoster().post("https://no-such-host.invalid/", b"{}", {}) == HookOutcome("no_such_host")


@pytest.mark.parametrize("host", ["hooks..example.com", "a" * 64 + ".example.com"])
def test_a_name_that_cannot_be_one_fails_for_good_instead_of_stopping_the_process(host: str) -> None:
    assert HookPoster().post(f"https://{host}/", b"{}", {}) == HookOutcome("not_an_address", is_final=True)


def test_a_receiver_that_hangs_or_answers_byte_by_byte_is_left_in_time() -> None:
    with socket.create_server((LOCAL, 0)) as server:
        stop = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                while not stop.wait(0.05):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        began = monotonic()
        url = f"http://{LOCAL}:{server.getsockname()[1]}/"
        outcome = HookPoster([LOCAL], whole_seconds=0.5).post(url, b"{}", {})
        assert monotonic() - began < 3
        stop.set()
        thread.join()
    assert outcome.problem in ("connection_lost", "time_out")
    assert not outcome.is_final


def test_a_certificate_that_is_not_trusted_is_not_trusted() -> None:
    """A server that speaks no TLS at all fails in the same way."""
    with listening() as listener:
        url = listener.url.replace("http:", "https:")
        assert HookPoster([LOCAL]).post(url, b"{}", {}).problem == "tls"
