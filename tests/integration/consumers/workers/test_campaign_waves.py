"""Another wave of a campaign on a real database: who is tried again, when, and who never."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from consumers.changes.sends import SendChanges
from consumers.workers.campaigns import waves as waves_step
from domain.campaigns.campaign import Campaign
from domain.campaigns.waves import RetryPreview, retry_preview
from domain.sending.sends import Refused, Unanswered
from infra.postgres.campaigns import waves
from infra.postgres.campaigns.counts import counts_of
from infra.postgres.sending.sends import SendLogEntry
from tests.support.campaign_room import CampaignRoom, open_campaign_room
from tests.support.erasure_room import ErasureRoom

CODES = (131026, 131049, 131049, 130472, 132000, 131053, 132015)
"""Of rows 2 to 8: cannot be reached, gets too much marketing (twice), an experiment, parameters, a file, a paused
template."""


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        yield room


def failed(room: CampaignRoom) -> Campaign:
    """Returns a campaign of nine: one got it, of one nobody knows, and the others failed, each for a reason."""
    for row, code in enumerate(CODES, 2):
        room.graph.answers_to[f"+1650555{row:04}"] = Refused(code, f"Meta's error {code}")
    room.graph.answers_to["+16505550009"] = Unanswered("no answer")
    autumn = room.planned(9)
    room.command("start", autumn)
    room.run()
    return autumn


def preview(room: CampaignRoom, of: Campaign, *codes: str) -> RetryPreview:
    waiting = waves.waiting_to_retry(room.connection, of.id)
    return retry_preview(counts_of(room.connection, of.id), *waiting, codes or None)


def test_the_preview_says_who_can_get_it_now_later_and_never(room: CampaignRoom) -> None:
    autumn = failed(room)
    room.connection.execute("update recipients set due_at = due_at - interval '25 hours' where row_no in (3, 7)")
    found = preview(room, autumn)
    assert (3, 1, 3, 1) == (found.now, found.later, found.never, found.unknown)
    assert found.later_from is not None
    assert timedelta(hours=23) < found.later_from - datetime.now(UTC) < timedelta(hours=25)
    assert ((1, "never"), (2, "later"), (1, "now")) == tuple(found.codes[c] for c in ("131026", "131049", "132015"))
    named = preview(room, autumn, "131026")
    assert (1, 0, 6) == (named.now, named.later, named.never)


def test_a_wave_reaches_those_who_can_get_it_now_and_the_others_when_they_can(
    room: CampaignRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C1: nobody twice; who cannot get it, or may have got it, is not tried again."""
    monkeypatch.setattr(waves_step, "ROWS", 1)
    autumn = failed(room)
    room.connection.execute("update recipients set due_at = now() where row_no = 7")
    before = list(room.reached())
    assert ("applied", None) == room.command("wave", autumn)
    room.run()
    assert (2, "running", None) == (room.campaign(autumn).wave, room.campaign(autumn).state, room.campaign(autumn).work)
    assert ["+16505550007", "+16505550008"] == sorted(room.reached()[len(before) :])
    assert {2: "failed 131026", 3: "deferred retry_later", 4: "deferred retry_later"} == {
        row: state for row, state in room.rows_of(autumn).items() if row < 5
    }
    by_wave: dict[int, int] = {}
    for count in counts_of(room.connection, autumn.id):
        by_wave[count.wave] = by_wave.get(count.wave, 0) + count.n
    assert {1: 5, 2: 4} == by_wave
    room.counts(autumn)
    room.connection.execute("update recipients set due_at = now() where state = 'deferred'")
    room.run()
    assert ["+16505550003", "+16505550004"] == sorted(room.reached()[len(before) + 2 :])
    assert "finishing" == room.campaign(autumn).state


def test_named_reasons_are_tried_again_even_if_they_rarely_succeed(room: CampaignRoom) -> None:
    autumn = failed(room)
    room.command("wave", autumn, codes=["131026", "132000"])
    room.run()
    assert ["+16505550002", "+16505550006"] == sorted(room.reached()[9:])


def test_a_wave_of_a_paused_campaign_waits(room: CampaignRoom) -> None:
    autumn = room.planned(2)
    room.graph.answers += [Refused(132015, "Meta's error 132015")]
    room.command("start", autumn)
    room.worker.poll()
    room.sender.poll()
    while not room.sender.is_idle:
        room.sender.poll()
    assert ("applied", None) == room.command("pause", autumn)
    room.command("wave", autumn)
    room.run()
    assert {"planned": 1, "accepted": 1} == room.counts(autumn)
    assert ("paused", None) == (room.campaign(autumn).state, room.campaign(autumn).work)
    room.command("resume", autumn)
    room.run()
    assert {"accepted": 2} == room.counts(autumn)


def test_a_message_that_arrived_after_all_is_not_sent_again(room: CampaignRoom) -> None:
    """A success that Meta reports after the failure, while the recipient waits for the wave."""
    autumn = room.planned(1)
    room.command("start", autumn)
    room.run()
    room.status(2, "failed", code=131049)
    room.command("wave", autumn)
    room.run()
    assert {"deferred retry_later": 1} == room.counts(autumn)
    room.status(2, "delivered")
    room.run()
    assert ({"delivered": 1}, 1) == (room.counts(autumn), len(room.reached()))


def test_without_anybody_who_can_get_it_there_is_no_wave(room: CampaignRoom) -> None:
    room.graph.answers += [Refused(131026, "Meta's error 131026")]
    autumn = room.planned(1)
    room.command("start", autumn)
    room.run()
    assert ("rejected", "nothing_to_retry") == room.command("wave", autumn)


def test_who_fails_again_while_others_still_join_the_wave_is_not_tried_twice_in_it(
    room: CampaignRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C1: for a reason whose turn comes later in the same wave."""
    monkeypatch.setattr(waves_step, "ROWS", 1)
    first = "+16505550002"
    room.graph.answers_to = {first: Refused(131000, "trouble"), "+16505550003": Refused(132015, "paused")}
    autumn = room.planned(2)
    room.command("start", autumn)
    room.run()
    room.status(2, "failed", code=131053)
    room.connection.execute("update recipients set due_at = now() where row_no = 2")
    room.graph.answers_to = {first: Refused(132015, "paused")}
    room.command("wave", autumn)
    room.run()
    assert (2, 2) == (room.reached().count(first), room.reached().count("+16505550003"))
    assert {"failed 132015": 1, "accepted": 1} == room.counts(autumn)


def test_a_recipient_follows_the_last_send_also_if_an_earlier_one_changes_with_it(room: CampaignRoom) -> None:
    """Both statuses come in one batch. A recipient that lost its own would never be at an end, nor its campaign."""
    autumn = room.planned(1)
    room.command("start", autumn)
    room.run()
    room.status(2, "failed", code=131053)
    room.connection.execute("update recipients set due_at = now()")
    room.command("wave", autumn)
    room.run()
    earlier, last = (row["id"] for row in room.office.rows("select id from sends order by claimed_at"))
    with room.session.transaction() as connection:
        changes = SendChanges(connection, room.topics, [earlier, last])
        for id_ in (last, earlier):
            entry = SendLogEntry(datetime.now(UTC), 1, "read", "meta")
            changes.change(replace(changes.sends[id_], state="read"), entry)
        changes.write()
    assert {"read": 1} == room.counts(autumn)


def test_a_wave_of_which_too_much_fails_again_is_paused(room: CampaignRoom) -> None:
    """What failed before it does not hide that."""
    autumn = room.planned(600, terms={"canary": 0})
    room.fail_all(autumn, 132015)
    room.graph.answers += [Refused(132015, "Meta's error 132015")] * 600
    room.connection.execute("update campaigns set state = 'finished'")
    room.command("wave", autumn)
    room.run()
    assert ("paused", "failures") == (room.campaign(autumn).state, room.campaign(autumn).reason)
    assert len(room.reached()) < 500


def test_who_was_erased_after_their_message_failed_is_not_tried_again(room: CampaignRoom) -> None:
    """The row has no address any more; the others of the wave get their message."""
    autumn = failed(room)
    room.connection.execute("update recipients set due_at = now() where row_no = 7")
    before = len(room.reached())
    ErasureRoom(room.office).erase("16505550007")
    assert ("applied", None) == room.command("wave", autumn)
    room.run()
    assert ["+16505550008"] == room.reached()[before:]
    assert "failed 131053" == room.rows_of(autumn)[7]
    room.counts(autumn)


def test_a_campaign_does_not_wait_for_who_was_erased_while_their_message_waited(room: CampaignRoom) -> None:
    autumn = room.planned(2)
    room.command("start", autumn)
    room.worker.poll()
    assert {"claimed": 2} == room.counts(autumn), "the sender has both"
    ErasureRoom(room.office).erase("16505550002")
    room.run()
    assert ["+16505550003"] == room.reached()
    assert {"cancelled": 1, "accepted": 1} == room.counts(autumn)
    assert "finishing" == room.campaign(autumn).state
