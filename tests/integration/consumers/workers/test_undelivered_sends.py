"""Messages that Meta accepted and never reported as delivered: after a time it gives up, and says nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from domain.sending.templates import Template
from infra.postgres.sending import library
from tests.support.sending_room import SendingRoom, open_room


@pytest.fixture
def room(database: str) -> Iterator[SendingRoom]:
    with open_room(database) as room:
        yield room


def time_passes(room: SendingRoom, time: timedelta, heard: bool = True, processed_until: str = "0 s") -> None:
    """As if sends had been posted earlier. `heard`: whether something else of the number was reported since;
    `processed_until`: how old what was processed last is."""
    room.office.connection.execute("update sends set gives_up_at = gives_up_at - %s", [time])
    room.office.connection.execute("update lanes set heard_at = %s", ["now" if heard else None])
    room.office.set_watermark(processed_until)
    room.sender._settle_at = 0
    room.post_all()


@pytest.mark.parametrize(
    ("days", "heard", "processed_until", "state"),
    [
        (29.9, True, "0 s", "accepted"),
        (30.01, True, "0 s", "dropped"),
        (30.01, True, "1 day", "accepted"),
        (30.01, False, "0 s", "accepted"),
    ],
)
def test_silence_after_a_month_means_dropped_if_somebody_listened(
    room: SendingRoom, days: float, heard: bool, processed_until: str, state: str
) -> None:
    """Nothing is concluded from silence while reports may only be late."""
    room.ask()
    room.post_all()
    time_passes(room, timedelta(days=days), heard, processed_until)
    assert state == room.state()


def test_a_message_that_was_dropped_was_no_word(room: SendingRoom) -> None:
    """The customer never got it, so they were not answered; others are told that it failed."""
    room.ask()
    room.post_all()
    room.meta_reports("sent", "wamid.1")
    assert room.is_answered()
    time_passes(room, timedelta(days=31))
    assert ("dropped", False) == (room.state(), room.is_answered())
    assert "dropped" == room.log()[-1]
    assert "witiop.message.failed.v1" == room.events()[-1]
    assert 1 == len(room.graph.posts)


@pytest.mark.parametrize(
    ("status", "state"), [("sent", "dropped"), ("delivered", "delivered"), ("read", "read"), ("failed", "failed")]
)
def test_a_late_report_still_says_what_became_of_it(room: SendingRoom, status: str, state: str) -> None:
    room.ask()
    room.post_all()
    time_passes(room, timedelta(days=31))
    room.meta_reports(status, "wamid.1", code=131026 if status == "failed" else None)
    assert state == room.state()


@pytest.mark.parametrize(
    ("category", "ttl_seconds", "minutes", "state"),
    [
        ("AUTHENTICATION", None, 15, "accepted"),
        ("AUTHENTICATION", None, 21, "dropped"),
        ("UTILITY", 300, 16, "dropped"),
        ("UTILITY", None, 60, "accepted"),
    ],
)
def test_a_template_is_dropped_when_its_own_time_is_over(
    room: SendingRoom, category: str, ttl_seconds: int | None, minutes: float, state: str
) -> None:
    """Ten minutes for codes, and what the template says for others; then ten more for reports that are late."""
    body = [{"type": "BODY", "text": "Ready"}]
    template = Template("waba", "order", "en", "APPROVED", category, "POSITIONAL", body, ttl_seconds=ttl_seconds)
    room.office.connection.execute("insert into graph_accounts (account_id) values ('waba')")
    library.store_templates(room.office.connection, "waba", [template], datetime.now(UTC))
    assert [("applied", None)] == room.ask("", message={"template": {"name": "order", "language": "en"}})
    room.post_all()
    time_passes(room, timedelta(minutes=minutes))
    assert state == room.state()
