"""Campaigns on a real database: their messages are handed to the sender a few at a time, and their recipients follow
their sends."""

from collections.abc import Iterator

import pytest

from domain.sending.sends import PostAccepted, Refused, Unanswered
from infra.postgres.campaigns.counts import wrong_counts
from infra.postgres.messaging import restores
from tests.support.campaign_room import CampaignRoom, open_campaign_room


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        yield room


def test_everybody_gets_the_template_once(room: CampaignRoom) -> None:
    """From the start to what Meta says."""
    autumn = room.planned(3)
    assert ("applied", None) == room.command("start", autumn)
    room.run()
    assert ["+16505550002", "+16505550003", "+16505550004"] == sorted(room.reached())
    assert {"accepted": 3} == room.counts(autumn)
    parameters = room.graph.posts[0]["template"]["components"][0]["parameters"]
    assert [{"type": "text", "text": "Oliver"}] == parameters
    room.run()
    assert 3 == len(room.graph.posts)


def test_a_recipient_is_what_became_of_the_send(room: CampaignRoom) -> None:
    autumn = room.planned(4)
    room.graph.answers += [
        Refused(131026, "Meta's error 131026"),
        Unanswered("no answer"),
        PostAccepted("wamid.3", held=True),
        PostAccepted("wamid.4"),
    ]
    room.command("start", autumn)
    room.run()
    assert {"failed 131026": 1, "unknown": 1, "accepted held": 1, "accepted": 1} == room.counts(autumn)


def test_campaigns_of_one_number_share_what_it_may_send(room: CampaignRoom) -> None:
    """A large campaign does not keep a small one waiting."""
    room.connection.execute("update graph_numbers set throughput = 30")
    autumn, winter = room.planned(60), room.planned(10, "Winter")
    room.command("start", autumn)
    room.command("start", winter)
    room.worker.poll()
    assert {"claimed": 10} == room.counts(winter)
    assert {"claimed": 24, "planned": 36} == room.counts(autumn)


def test_campaigns_that_have_nothing_to_send_now_take_no_share(room: CampaignRoom) -> None:
    """In quiet hours, or while failed messages wait for tomorrow."""
    room.connection.execute("update graph_numbers set throughput = 30")
    autumn, others = room.planned(60), [room.planned(1, f"Tomorrow {number}") for number in range(4)]
    room.connection.execute("update recipients set due_at = 'tomorrow' where campaign_id <> %s", [autumn.id])
    for each in (autumn, *others):
        room.command("start", each)
    room.worker.poll()
    assert 9 == room.counts(autumn)["claimed"]
    room.worker.poll()
    assert 48 == room.counts(autumn)["claimed"]
    room.connection.execute("update recipients set due_at = 'epoch'")
    room.connection.execute("update graph_numbers set throughput = 1000")
    room.office.may_send(700)
    room.run()
    assert [{"accepted": 60}, *[{"accepted": 1}] * 4] == [room.counts(each) for each in (autumn, *others)]


def test_of_many_campaigns_of_a_slow_number_each_goes_on(room: CampaignRoom) -> None:
    """Also if there are more of them than messages that may wait at the sender."""
    room.connection.execute("update graph_numbers set throughput = 10")
    many = [room.planned(1, f"Campaign {number}") for number in range(21)]
    for each in many:
        room.command("start", each)
    room.worker.poll()
    assert [{"claimed": 1}] * 21 == [room.counts(each) for each in many]


def test_after_a_pause_nothing_is_posted_and_after_a_resume_nobody_gets_it_twice(room: CampaignRoom) -> None:
    """C1, C2: what waits at the sender goes back."""
    autumn = room.planned(5)
    room.command("start", autumn)
    room.worker.poll()
    assert {"claimed": 5} == room.counts(autumn)
    assert ("applied", None) == room.command("pause", autumn)
    room.run()
    assert ([], {"planned": 5}) == (room.reached(), room.counts(autumn))
    assert ("applied", None) == room.command("resume", autumn)
    room.run()
    assert (5, 5, {"accepted": 5}) == (len(room.reached()), len(set(room.reached())), room.counts(autumn))


def test_a_pause_or_cancellation_counts_at_the_next_claim(room: CampaignRoom) -> None:
    """C2: also while nobody takes back what waits at the sender, because the process that does is down."""
    autumn, winter = room.planned(3), room.planned(3, "Winter")
    for each in (autumn, winter):
        room.command("start", each)
    room.worker.poll()
    assert [{"claimed": 3}] * 2 == [room.counts(autumn), room.counts(winter)]
    assert ("applied", None) == room.command("pause", autumn)
    assert ("applied", None) == room.command("cancel", winter)
    room.sender.poll()
    assert [] == room.reached()
    room.command("resume", autumn)
    room.run()
    assert ({"accepted": 3}, {"cancelled": 3}) == (room.counts(autumn), room.counts(winter))
    assert (3, 3) == (len(room.reached()), len(set(room.reached())))


def test_a_restore_pauses_campaigns_and_holds_what_waited_at_the_sender(room: CampaignRoom) -> None:
    """What the backup does not know may have been posted already: a person decides, and the counts follow."""
    autumn = room.planned(2)
    room.command("start", autumn)
    room.worker.poll()
    assert restores.recognise(room.connection)
    assert ("paused", "restored") == (room.campaign(autumn).state, room.campaign(autumn).reason)
    assert "paused restored" == room.log(autumn)[-1]
    first, second = restores.held_sends(room.connection)
    restores.decide_send(room.connection, first.id, again=False, by="paola")
    restores.decide_send(room.connection, second.id, again=True, by="paola")
    assert {"unknown": 1, "claimed": 1} == room.counts(autumn)
    room.run()
    assert ([], {"unknown": 1, "planned": 1}) == (room.reached(), room.counts(autumn))


def test_after_a_restore_no_campaign_resumes_before_what_meta_reported_is_read(room: CampaignRoom) -> None:
    """C1: whom it reached after the backup is told by statuses that are still to be read."""
    autumn = room.planned(2)
    room.command("start", autumn)
    room.office.set_watermark("5 min")
    assert restores.recognise(room.connection)
    assert ("rejected", "restore_not_read") == room.command("resume", autumn)
    room.office.set_watermark("0 s")
    assert ("applied", None) == room.command("resume", autumn)


def test_whom_a_campaign_reached_before_a_restore_is_found_again_by_what_meta_reports(room: CampaignRoom) -> None:
    """C1: they do not get it again, also if the campaign was started after the backup; who was not reported does."""
    room.office.customer_writes("hello", "16505550003", 30)
    autumn = room.planned(4, state="ready")
    tables = ("campaigns", "recipients", "campaign_counts")
    for table in tables:
        room.connection.execute(f"create temp table saved_{table} as table {table}".encode())
    room.command("start", autumn)
    room.run()
    assert {"accepted": 4} == room.counts(autumn)
    room.connection.execute("delete from sends")
    for table in tables:
        room.connection.execute(f"delete from {table}; insert into {table} table saved_{table}".encode())
    assert {"planned": 4} == room.counts(autumn)

    room.status(2, "sent")
    room.status(3, "delivered", {"billable": True, "category": "marketing"})
    room.status(2, "read")
    room.connection.execute("update recipients set attempt = 1 where row_no = 4")
    room.status(4, "read")  # about another send than the next one of this row
    assert {"planned": 2, "delivered": 1, "read": 1} == room.counts(autumn)
    assert [] == wrong_counts(room.connection, [autumn.id])
    room.command("start", autumn)
    room.run()
    assert {"accepted": 2, "delivered": 1, "read": 1} == room.counts(autumn)
    assert ["+16505550004", "+16505550005"] == sorted(room.reached()[4:])
    posted = room.office.rows("select row_no from recipients where accepted_at is not null order by row_no")
    assert [2, 3, 4, 5] == [row["row_no"] for row in posted]  # answers and frequency caps go by that
