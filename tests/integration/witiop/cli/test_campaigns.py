"""`witiop campaigns` reads campaigns from a real database."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID
from zipfile import ZipFile

import pytest

from domain.sending.sends import PostAccepted, Refused, Unanswered
from tests.support.campaign_room import AUTUMN, CampaignRoom, open_campaign_room
from tests.support.command_line import CommandLine


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        yield room


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


def document(witiop: CommandLine, *arguments: str) -> Any:
    finished = witiop("campaigns", *arguments, "--json")
    assert (0, "") == (finished.code, finished.err)
    return json.loads(finished.out)


def test_campaigns_are_listed_the_latest_first_and_page_by_page(witiop: CommandLine, room: CampaignRoom) -> None:
    for number in range(12):
        room.planned(2, f"Offer {number}", state="paused" if number == 3 else "ready")
    first = document(witiop, "list")
    assert [f"Offer {number}" for number in range(11, 1, -1)] == [row["name"] for row in first["rows"]]
    row = first["rows"][0]
    assert ("ready", "autumn_service", 2, 0) == (row["state"], row["template"], row["rows"], row["unmanaged"])
    second = document(witiop, "list", "--after", first["next"])
    assert (["Offer 1", "Offer 0"], None) == ([row["name"] for row in second["rows"]], second["next"])
    assert ["Offer 3"] == [row["name"] for row in document(witiop, "list", "--state", "paused")["rows"]]
    assert f"next page: --after {first['next']}" in witiop("campaigns", "list").out


def test_a_campaign_is_shown_with_its_funnel_its_reasons_and_its_log(witiop: CommandLine, room: CampaignRoom) -> None:
    autumn = room.planned(4)
    room.graph.answers += [Refused(131026, "no"), Unanswered("no"), PostAccepted("wamid.3", held=True)]
    room.command("start", autumn)
    room.run()
    shown = document(witiop, "show", str(autumn.id))
    assert (4, 2, 1) == (shown["funnel"]["rows"], shown["funnel"]["accepted"], shown["funnel"]["held"])
    assert (1, 1, 0) == (shown["parts"]["failed"], shown["parts"]["unknown"], shown["parts"]["to_come"])
    assert {"state": "failed", "reason": "131026", "recipients": 1} in shown["reasons"]
    assert "running" in [entry["event"] for entry in shown["log"]]
    lines = witiop("campaigns", "show", str(autumn.id)).out
    assert all(text in lines for text in ("Autumn", "autumn_service (en)", "131026", "by paola"))
    assert ({"amounts": {}, "unpriced": 0}, None) == (shown["cost_so_far"], shown["waits_for_limit_until"])
    assert "cost so far" not in lines


def test_what_a_campaign_has_cost_so_far_and_until_when_it_waits_for_the_limit(
    witiop: CommandLine, room: CampaignRoom
) -> None:
    autumn = room.planned(25, state="running")
    room.connection.execute("update graph_numbers set people_per_day = 20")
    room.connection.execute("insert into prices values ('US', 'marketing', 'EUR', 0.25, '2020-01-01')")
    room.connection.execute("insert into campaign_charges values (%b, 'US', 'marketing', true, 2)", [autumn.id])
    room.run()
    room.connection.execute("update sends set requested_at = now() - interval '11 s'")
    shown = document(witiop, "show", str(autumn.id))
    assert {"amounts": {"EUR": "0.50"}, "unpriced": 0} == shown["cost_so_far"]
    lines = witiop("campaigns", "show", str(autumn.id)).out
    assert "EUR 0.50 for 0 delivered" in lines
    assert shown["waits_for_limit_until"][:16].replace("T", " ") in lines


def test_recipients_are_listed_by_what_became_of_them(witiop: CommandLine, room: CampaignRoom, tmp_path: Path) -> None:
    """Also as a workbook, with all of them."""
    autumn = room.planned(12)
    room.graph.answers += [Refused(131026, "no")]
    room.command("start", autumn)
    room.run()
    first = document(witiop, "recipients", str(autumn.id))
    assert ([*range(2, 12)], 11) == ([row["row_no"] for row in first["rows"]], first["next"])
    assert [12, 13] == [r["row_no"] for r in document(witiop, "recipients", str(autumn.id), "--after", "11")["rows"]]
    (failed,) = document(witiop, "recipients", str(autumn.id), "--state", "failed", "--reason", "131026")["rows"]
    assert ("failed", "131026") == (failed["state"], failed["reason"])
    assert "131026" in witiop("campaigns", "recipients", str(autumn.id), "--state", "failed").out
    out = tmp_path / "recipients.xlsx"
    written = witiop("campaigns", "recipients", str(autumn.id), "--cell", "accepted", "--xlsx", str(out))
    assert (0, f"{out}: 11 recipients\n") == (written.code, written.out)
    with ZipFile(out) as archive:
        assert 11 == archive.read("xl/worksheets/sheet1.xml").decode().count(">accepted<")
    assert [out] == [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["show", "recipients"])
def test_a_campaign_that_does_not_exist_is_an_error_of_one_line(
    witiop: CommandLine, room: CampaignRoom, name: str
) -> None:
    finished = witiop("campaigns", name, str(UUID(int=1)))
    assert (1, "") == (finished.code, finished.out)
    assert f"witiop: there is no campaign {UUID(int=1)}" in finished.err


def test_a_retry_says_first_who_can_be_tried_again(witiop: CommandLine, room: CampaignRoom) -> None:
    """Nothing is sent: it is the dry run."""
    autumn = room.planned(4)
    room.graph.answers += [Refused(131026, "no"), Refused(131000, "trouble"), Unanswered("no")]
    room.command("start", autumn)
    room.run()
    shown = document(witiop, "retry", str(autumn.id))
    assert (0, 1, 1, 1) == (shown["now"], shown["later"], shown["never"], shown["unknown"])
    told = {each["reason"]: (each["recipients"], each["retry"]) for each in shown["codes"]}
    assert {"131000": (1, "later"), "131026": (1, "never")} == told
    named = document(witiop, "retry", str(autumn.id), "--codes", "131026")
    assert (1, 1) == (named["now"], named["never"])
    assert "1 are unknown and not included" in witiop("campaigns", "retry", str(autumn.id)).out
    assert 4 == len(room.graph.posts)


def test_a_check_shows_the_messages_and_what_keeps_them_from_being_sent(
    witiop: CommandLine, room: CampaignRoom
) -> None:
    """Before the start, as the recipients will read them."""
    autumn = room.planned(25)
    witiop.set("WITIOP_SENDING_ENABLED", "true")
    checked = document(witiop, "check", str(autumn.id))
    assert (20, []) == (len(checked["messages"]), checked["hindrances"])
    first = {"row_no": 2, "to": "16505550002", "text": "Hi Oliver, your bike is due for its service."}
    assert first == checked["messages"][0]
    budget = checked["budget"]
    assert (25, None, 25, []) == (budget["needed"], budget["limit"], budget["now"], budget["later"])
    room.store(AUTUMN._replace(status="PAUSED"))
    hindered = witiop("campaigns", "check", str(autumn.id))
    assert 1 == hindered.code
    assert "it cannot be sent: Meta does not allow this template now: autumn_service is paused" in hindered.out


def test_the_example_file_of_a_template_has_its_columns(
    witiop: CommandLine, room: CampaignRoom, tmp_path: Path
) -> None:
    out = tmp_path / "example.xlsx"
    assert f"{out}\n" == witiop("campaigns", "example", "autumn_service", str(out)).out
    with ZipFile(out) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert all(f">{title}<" in sheet for title in ("Phone", "Name", "{{1}}"))
    missing = witiop("campaigns", "example", "autumn_service", "--language", "pt_BR")
    assert (1, "witiop: there is no template autumn_service in pt_BR\n") == (missing.code, missing.err)
