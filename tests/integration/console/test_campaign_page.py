"""A campaign's page: how far it is, why not further, and what can be done with it."""

import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import openpyxl
import pytest

from domain.campaigns.campaign import Campaign
from infra.postgres.campaigns.counts import CountKey, Moves
from tests.support.campaign_pages import MANAGER, OpenCampaign, campaign_pages
from tests.support.campaign_room import CampaignRoom
from tests.support.console import Browser, Console


@pytest.fixture
def room(console: Console) -> Iterator[CampaignRoom]:
    with campaign_pages(console) as room:
        yield room


@pytest.fixture
def manager(console: Console, room: CampaignRoom) -> Browser:
    """The browser of a campaign manager."""
    return console.signed_in(MANAGER)


def becomes(room: CampaignRoom, campaign: Campaign, row: int, state: str, reason: str | None = None) -> None:
    """A recipient who was planned reaches a state."""
    room.connection.execute(
        "update recipients set state = %b, reason = %b, accepted_at = case when %b in ('sent', 'delivered', 'unknown') "
        "then now() end where campaign_id = %b and row_no = %b",
        [state, reason, state, campaign.id, row],
    )
    moves = Moves()
    moves.add(CountKey(campaign.id, 1, 0, "planned", ""), -1)
    moves.add(CountKey(campaign.id, 1, 0, state, reason or ""))
    moves.write(room.connection)


def state_of(room: CampaignRoom, campaign: Campaign) -> str:
    return room.campaign(campaign).state


def done(console: Console, answer: Any) -> list[tuple[str, str | None]]:
    """The results of what a form asked for."""
    assert answer.status_code in (200, 303), answer.text
    return console.process_commands()


# what it shows


def test_every_number_of_the_funnel_leads_to_the_people_it_counts(manager: Browser, room: CampaignRoom) -> None:
    campaign = room.planned(6, state="running")
    for row, state, reason in (
        (2, "delivered", None),
        (3, "sent", None),
        (4, "failed", "131026"),
        (5, "skipped", "opted_out"),
        (6, "skipped", "phone_missing"),
    ):
        becomes(room, campaign, row, state, reason)
    page = manager.get(f"/campaigns/{campaign.id}").text
    assert "Not reachable on WhatsApp" in page
    assert "Opted out" in page
    for query, n in (
        ("cell=rows", 6),
        ("cell=good", 5),
        ("cell=planned", 4),
        ("cell=sent", 2),
        ("cell=delivered", 1),
        ("state=failed&amp;reason=131026", 1),
        ("state=skipped&amp;reason=opted_out", 1),
        ("cell=bad", 1),
        ("cell=skipped", 1),
        ("state=failed", 1),
        ("cell=planned&amp;wave=1", 4),
        ("cell=delivered&amp;wave=1", 1),
        ("cell=answered&amp;wave=1", 0),
    ):
        link = f"/campaigns/{campaign.id}/recipients?{query}"
        assert f'"{link}"' in page, query
        assert n == manager.get(link.replace("&amp;", "&")).text.count('id="recipient-'), query


def test_the_parts_add_up_to_the_file(manager: Browser, room: CampaignRoom) -> None:
    campaign = room.planned(5, state="running")
    becomes(room, campaign, 2, "delivered")
    becomes(room, campaign, 3, "skipped", "duplicate")
    page = manager.get(f"/campaigns/{campaign.id}").text
    shown = page.partition('class="adds-up"')[2].partition("</p>")[0]
    assert ["1 duplicate", "3 waiting", "1 delivered", "5"] == [
        part.rpartition(">")[2].strip() for part in shown.split("</a>")[:-1]
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "ready"}, "Nothing is sent before somebody starts it."),
        ({"state": "running"}, "2 people still wait for their turn."),
        (
            {"state": "paused", "changed_by": "campaigns", "reason": "failures"},
            "It paused by itself: too many messages",
        ),
        ({"state": "paused", "changed_by": MANAGER, "detail": "typo?"}, "Paused by Elena Zanini. 2 people wait."),
        ({"state": "missed"}, "nothing was running then"),
        ({"state": "cancelled", "changed_by": MANAGER}, "Cancelled by Elena Zanini."),
        ({"state": "finished"}, "no more statuses are expected"),
    ],
)
def test_the_state_is_said_in_words(manager: Browser, room: CampaignRoom, changes: dict[str, Any], words: str) -> None:
    campaign = room.planned(2, **changes)
    assert words in manager.get(f"/campaigns/{campaign.id}").text


def test_who_answered_and_was_left_alone_leads_administrators_to_the_list_and_managers_to_the_recipients(
    boss: Browser, manager: Browser, room: CampaignRoom
) -> None:
    campaign = room.planned(2, state="running")
    becomes(room, campaign, 2, "delivered")
    room.connection.execute("insert into campaign_answer_counts values (%b, 1, 0, 'unmanaged', 1)", [campaign.id])
    row = room.office.customer_writes()
    room.connection.execute(
        "insert into campaign_answers values (%b, 2, 1, 0, %b, now(), 'likely', 'unmanaged')", [campaign.id, row]
    )
    assert f"/unmanaged?campaign={campaign.id}" in boss.get(f"/campaigns/{campaign.id}").text
    page = manager.get(f"/campaigns/{campaign.id}").text
    assert "/unmanaged" not in page
    link = f"/campaigns/{campaign.id}/recipients?cell=unmanaged"
    assert link in page
    assert "unmanaged: nobody was there" in manager.get(link).text
    assert str(row) not in manager.get(link).text
    assert str(row) in boss.get(link).text


# what can be done


def test_a_campaign_is_paused_with_a_note_resumed_and_cancelled(
    console: Console, manager: Browser, room: CampaignRoom
) -> None:
    campaign = room.planned(2, state="running")
    page = f"/campaigns/{campaign.id}"
    asked = manager.submit(page, note="typo in the shop hours?")
    assert [("applied", None)] == done(console, asked)
    assert "paused" == state_of(room, campaign)
    assert "“typo in the shop hours?”" in manager.get(page).text
    assert [("applied", None)] == done(console, manager.submit(page))
    assert "running" == state_of(room, campaign)
    assert [("applied", None)] == done(console, manager.submit(f"{page}/cancel", "dialog", note="wrong text"))
    assert "cancelled" == state_of(room, campaign)
    shown = manager.get(page).text
    assert "Resumed by Elena Zanini" in shown
    assert "Cancel the rest" not in shown


def test_a_button_of_a_page_that_is_out_of_date_does_nothing_and_says_why(
    console: Console, manager: Browser, room: CampaignRoom
) -> None:
    campaign = room.planned(2, state="running")
    page = manager.get(f"/campaigns/{campaign.id}").text
    assert [("applied", None)] == done(console, manager.send(page))
    answer = manager.send(page, note="again")
    assert [("rejected", "version_conflict")] == done(console, answer)
    notice = manager.get(answer.location).text
    assert "Pause the campaign: the campaign has changed in the meantime" in notice
    assert "rejected" in notice


def test_a_second_person_confirms_a_start(
    console: Console, boss: Browser, manager: Browser, room: CampaignRoom
) -> None:
    campaign = room.planned(2, state="unconfirmed", started_by=MANAGER)
    page = f"/campaigns/{campaign.id}"
    assert "Confirm the start" not in manager.get(page).text
    assert [("applied", None)] == done(console, boss.submit(page))
    assert "running" == state_of(room, campaign)


def test_a_start_is_confirmed_for_the_time_that_was_asked_for(
    console: Console, boss: Browser, room: CampaignRoom
) -> None:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=40)
    campaign = room.planned(2, state="unconfirmed", started_by=MANAGER, start_at=at)
    assert [("applied", None)] == done(console, boss.submit(f"/campaigns/{campaign.id}"))
    assert ("scheduled", at) == (state_of(room, campaign), room.campaign(campaign).start_at)


def test_what_is_sent_already_cannot_be_cancelled(manager: Browser, room: CampaignRoom) -> None:
    campaign = room.planned(2, state="finishing")
    assert "Cancel the rest" not in manager.get(f"/campaigns/{campaign.id}").text


def test_a_missed_start_asks_and_is_started_again(console: Console, manager: Browser, room: CampaignRoom) -> None:
    campaign = room.planned(2, state="missed")
    assert [("applied", None)] == done(console, manager.submit(f"/campaigns/{campaign.id}"))
    assert "running" == state_of(room, campaign)


def test_who_gets_the_answers_is_changed(console: Console, manager: Browser, room: CampaignRoom) -> None:
    campaign = room.planned(2, state="running")
    page = f"/campaigns/{campaign.id}"
    asked = manager.submit(f"{page}/answers", "dialog", to="skillset:sales", mode="exclusive", hours="24")
    assert [("applied", None)] == done(console, asked)
    shown = manager.get(page).text
    assert "reserved for 24 hours after the message" in shown
    assert "changed who gets the answers" in shown
    assert [("applied", None)] == done(console, manager.submit(f"{page}/answers", "dialog", to=""))
    assert "Nobody in particular" in manager.get(page).text


def test_another_wave_takes_those_who_can_succeed(console: Console, manager: Browser, room: CampaignRoom) -> None:
    """As it is proposed: all who can succeed; who cannot stays out."""
    campaign = room.planned(3, state="finished")
    becomes(room, campaign, 2, "failed", "131026")
    becomes(room, campaign, 3, "failed", "131049")
    page = manager.get(f"/campaigns/{campaign.id}").text
    assert "1 can never succeed." in page
    assert "Start wave 2" in page
    asked = manager.submit(f"/campaigns/{campaign.id}/wave", "dialog")
    (record,) = console.publisher.on("t")
    assert {"campaign_id": str(campaign.id), "expected_version": 0} == json.loads(record.value)
    assert [("applied", None)] == done(console, asked)
    assert 2 == room.campaign(campaign).wave


def test_another_wave_takes_only_those_with_the_ticked_reasons(
    console: Console, manager: Browser, room: CampaignRoom
) -> None:
    campaign = room.planned(3, state="finished")
    for row, code in ((2, "131026"), (3, "131049"), (4, "130429")):
        becomes(room, campaign, row, "failed", code)
    room.connection.execute("update recipients set due_at = now() + interval '1 day' where reason = '131049'")
    dialog = f"/campaigns/{campaign.id}/wave"
    shown = manager.get(dialog).text
    assert "never, as it is" in shown
    assert "0 now, 1 from" in shown
    ticked = [box.partition('"')[0] for box in shown.split('name="code" value="')[1:] if " checked" in box[:30]]
    assert ["130429", "131049"] == ticked
    usual = {"form": str(uuid4()), "version": "0", "usual": ["130429", "131049"]}
    assert "Tick at least one reason." in manager.post(dialog, **usual).text
    asked = manager.post(dialog, **usual, code=["131026", "130429"])
    (record,) = console.publisher.on("t")
    assert ["130429", "131026"] == json.loads(record.value)["codes"]
    assert [("applied", None)] == done(console, asked)
    room.run_worker()
    assert {2: 2, 3: 1, 4: 2} == dict(
        room.connection.execute("select row_no, wave from recipients where campaign_id = %b", [campaign.id]).fetchall()
    )


def test_those_who_failed_without_a_code_are_offered_too(
    console: Console, manager: Browser, room: CampaignRoom
) -> None:
    """Otherwise the dialog had nothing to tick, and no wave could be started."""
    campaign = room.planned(2, state="finished")
    becomes(room, campaign, 2, "failed")
    becomes(room, campaign, 3, "failed", "131049")
    shown = manager.get(f"/campaigns/{campaign.id}/wave").text
    assert "Meta gave no reason" in shown
    usual = {"form": str(uuid4()), "version": "0", "usual": ["no_code", "131049"]}
    asked = manager.post(f"/campaigns/{campaign.id}/wave", "dialog", **usual, code=["no_code"])
    (record,) = console.publisher.on("t")
    assert ["no_code"] == json.loads(record.value)["codes"]
    assert [("applied", None)] == done(console, asked)
    room.run_worker()
    assert {2: 2, 3: 1} == dict(
        room.connection.execute("select row_no, wave from recipients where campaign_id = %b", [campaign.id]).fetchall()
    )


def test_everything_that_can_have_the_focus_keeps_it_while_the_page_is_brought_up_to_date(
    manager: Browser, room: CampaignRoom
) -> None:
    """htmx gives the focus back by id, and these pages are replaced whenever a message was sent."""
    campaign = room.planned(4, state="running")
    for row, state, reason in ((2, "failed", "131026"), (3, "skipped", "phone_invalid"), (4, "skipped", "opted_out")):
        becomes(room, campaign, row, state, reason)
    becomes(room, campaign, 5, "unknown")
    for address in (f"/campaigns/{campaign.id}", f"/campaigns/{campaign.id}/check"):
        part = manager.get(address).text.partition('<div id="campaign-live"')[2].partition('<div id="listen"')[0]
        found = re.findall(r"<(?:a|button|input|select|textarea)\b[^>]*>", part)
        named = [re.search(r'\bid="([^"]+)"', each) for each in found if 'type="hidden"' not in each]
        assert len(named) > 5
        assert None not in named, address
        ids = [each[1] for each in named if each is not None]
        assert sorted({*ids}) == sorted(ids)
        assert not any(" " in id_ for id_ in ids)


def test_what_it_has_cost_so_far_is_shown_once_prices_are_known(manager: Browser, room: CampaignRoom) -> None:
    campaign = room.planned(3, state="running")
    becomes(room, campaign, 2, "delivered")
    charges = "insert into campaign_charges values (%b, 'IT', 'marketing', true, 2), (%b, 'DE', 'marketing', true, 1)"
    room.connection.execute(charges, [campaign.id, campaign.id])
    page = f"/campaigns/{campaign.id}"
    assert 'id="cost"' not in manager.get(page).text
    room.connection.execute("insert into prices values ('IT', 'marketing', 'EUR', 0.0572, '2020-01-01')")
    shown = manager.get(page).text
    assert "€0.11 for 1 delivered" in shown
    assert "1 without a known price" in shown


def test_a_campaign_that_waits_for_whatsapps_limit_says_so_and_when_it_goes_on(
    manager: Browser, room: CampaignRoom
) -> None:
    room.connection.execute("update graph_numbers set people_per_day = 20")
    campaign = room.planned(25, state="running")
    room.run()
    room.connection.execute("update sends set requested_at = now() - interval '11 s'")
    page = manager.get(f"/campaigns/{campaign.id}").text
    assert "Running, waits for the limit" in page
    assert "6 people go out from" in page
    room.connection.execute("update graph_numbers set people_per_day = null")
    assert "Running, waits for the limit" not in manager.get(f"/campaigns/{campaign.id}").text


def test_somebody_settles_one_that_meta_did_not_confirm(console: Console, manager: Browser, room: CampaignRoom) -> None:
    campaign = room.planned(1, state="running", zones={"UTC": 1})
    becomes(room, campaign, 2, "unknown")
    page = f"/campaigns/{campaign.id}/recipients?state=unknown"
    assert "Send again" in manager.get(page).text
    answer = manager.submit(page)
    assert answer.status_code == 303
    (record,) = console.publisher.on("t")
    assert {"campaign_id": str(campaign.id), "as": "assumed_sent", "row_no": 2} == json.loads(record.value)


# recipients


def test_a_recipient_is_found_by_phone(manager: Browser, room: CampaignRoom) -> None:
    campaign = room.planned(3)
    page = f"/campaigns/{campaign.id}/recipients"
    found = manager.get(f"{page}?q=%2B1+650-555-0003").text
    assert ['id="recipient-3"'] == [f'id="recipient-{row}"' for row in (2, 3, 4) if f'id="recipient-{row}"' in found]
    assert "Type the whole phone number" in manager.get(f"{page}?q=0003").text
    assert "Nobody with this phone" in manager.get(f"{page}?q=390000000000").text


def test_the_recipients_turn_their_pages(manager: Browser, room: CampaignRoom) -> None:
    campaign = room.planned(15)
    page = f"/campaigns/{campaign.id}/recipients?rows=10"
    first = manager.get(page).text
    assert 10 == first.count('id="recipient-')
    assert "after=11" in first
    assert 5 == manager.get(f"{page}&after=11").text.count('id="recipient-')


def test_all_recipients_are_downloaded_with_what_happened_and_why(manager: Browser, room: CampaignRoom) -> None:
    campaign = room.planned(4, "Ünïcode & <b>")
    becomes(room, campaign, 3, "failed", "131026")
    becomes(room, campaign, 4, "skipped", "opted_out")
    sheet = openpyxl.load_workbook(io.BytesIO(manager.download(f"/campaigns/{campaign.id}.xlsx"))).active
    assert sheet is not None
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]
    assert [2, 3, 4, 5] == [row[0] for row in rows]
    assert ["planned", "failed", "nothing was sent", "planned"] == [row[3] for row in rows]
    assert "Opted out" == rows[2][4]
    only = openpyxl.load_workbook(
        io.BytesIO(manager.download(f"/campaigns/{campaign.id}.xlsx?state=failed&reason=131026"))
    ).active
    assert only is not None
    assert [3] == [row[0].value for row in only.iter_rows(min_row=2)]


# strange addresses, and strangers


@pytest.mark.parametrize("path", ["", ".xlsx", "/recipients", "/cancel", "/answers"])
def test_a_campaign_that_does_not_exist_is_not_found(manager: Browser, path: str) -> None:
    assert 404 == manager.get(f"/campaigns/{uuid4()}{path}").status_code


@pytest.mark.parametrize(
    "query",
    [
        "cell=x&state=y&reason=z&wave=a&variant=-1&after=x&rows=3&q=%00",
        "reason=%00",
        "wave=999999999",
        "after=999999999",
    ],
)
def test_a_strange_query_is_answered(manager: Browser, room: CampaignRoom, query: str) -> None:
    campaign = room.planned(2)
    assert 200 == manager.get(f"/campaigns/{campaign.id}/recipients?{query}").status_code


def test_agents_and_strangers_are_kept_out(console: Console, room: CampaignRoom) -> None:
    campaign = room.planned(2, state="running")
    console.person("anna", administrator=False)
    agent, stranger = console.signed_in("anna"), console.browser()
    for path in ("", "/recipients", ".xlsx", "/cancel", "/answers"):
        assert 403 == agent.get(f"/campaigns/{campaign.id}{path}").status_code
        assert 303 == stranger.get(f"/campaigns/{campaign.id}{path}").status_code
    for path in ("pause", "resume", "cancel", "wave", "answers", "resolve", "begin"):
        assert 403 == agent.post(f"/campaigns/{campaign.id}/{path}").status_code
    assert [] == console.publisher.on("t")


def test_without_kafka_nothing_is_asked_for_and_the_form_can_be_sent_again(
    console: Console, manager: Browser, room: CampaignRoom
) -> None:
    campaign = room.planned(2, state="running")
    page = manager.get(f"/campaigns/{campaign.id}").text
    console.publisher.unreachable = True
    assert 503 == manager.send(page).status_code
    console.publisher.unreachable = False
    assert [("applied", None)] == done(console, manager.send(page))


def test_an_open_page_is_told_when_its_campaign_or_the_result_of_a_command_is_there(
    console: Console, manager: Browser, room: CampaignRoom
) -> None:
    campaign = room.planned(2, state="running")
    page = f"/campaigns/{campaign.id}"
    opened = OpenCampaign(console, manager, f"/campaigns/live?about={campaign.id}")
    assert "event: open" in (opened.look() or "")
    assert "" == opened.look()
    becomes(room, campaign, 2, "delivered")
    assert "event: open" in (opened.look() or "")
    manager.submit(page)
    assert "" == opened.look()
    console.process_commands()
    told = opened.look() or ""
    assert "event: open" in told
    assert "event: results" in told
    console.office.connection.execute("delete from users where id = %b", [MANAGER])
    assert opened.look() is None
