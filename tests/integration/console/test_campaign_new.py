"""*New outbound campaign*: a template, its recipients from a file or from customers, check and test, and the start."""

import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from werkzeug.test import TestResponse

from console.campaigns.new.upload import CHUNK_BYTES
from infra.postgres.campaigns.pages import uploads
from infra.postgres.campaigns.pages.uploads import uploaded
from tests.support.campaign_pages import MANAGER, campaign_pages
from tests.support.campaign_room import AUTUMN, CampaignRoom
from tests.support.console import Browser, Console
from tests.support.stories import NUMBER

CSV = (
    "Phone;Name;{{1}}\n+39 300 555 0101;Anna;Trek\n+39 300 555 0102;Ben;\n+39 300 555 0101;Anna;Trek\nask Elena;;Cube\n"
)
PAUSED = AUTUMN._replace(name="summer_sale", status="PAUSED", quality="RED")
PICTURE = AUTUMN._replace(name="picture", components=[{"type": "HEADER", "format": "IMAGE"}, *AUTUMN.components])
RIVAL = AUTUMN._replace(name="autumn_rival")
START = f"/campaigns/new?number={NUMBER}&template=autumn_service%7Cen"


@pytest.fixture
def room(console: Console) -> Iterator[CampaignRoom]:
    with campaign_pages(console) as room:
        room.store(AUTUMN, PAUSED, PICTURE, RIVAL)
        yield room


@pytest.fixture
def manager(console: Console, room: CampaignRoom) -> Browser:
    """The browser of a campaign manager."""
    return console.signed_in(MANAGER)


def sends(browser: Browser, content: bytes, name: str = "people.csv", at_once: int = CHUNK_BYTES) -> str:
    """Sends a file as the script does, and returns the address of the draft that goes on with it."""
    token, address = browser.token(), f"/campaigns/new/file/{uuid4()}"
    headers = {"X-Form-Token": token, "Content-Type": "application/octet-stream"}
    for number, start in enumerate(range(0, len(content), at_once)):
        part = content[start : start + at_once]
        answer = browser.http.post(f"{address}/{number}?name={name}", data=part, headers=headers)
        assert 204 == answer.status_code
    fields = {"number": NUMBER, "template": "autumn_service|en", "from": "file", "size": str(len(content))}
    answer = browser.post(address, **fields)
    assert answer.json is not None
    return str(answer.json["next"])


def fills_in(browser: Browser, address: str, into: str | None = None, **changed: str) -> TestResponse:
    """Opens a draft, changes what is said and sends it, with everything that its selects show."""
    page = browser.get(address).text
    shown = {}
    for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        if name != "template":
            shown[name] = unescape(chosen[1]) if chosen else ""
    return browser.send(page, into, **{**shown, **changed})


def file_of(address: str) -> UUID:
    return UUID(parse_qs(urlsplit(address).query)["file"][0])


def created(console: Console, room: CampaignRoom, answer: TestResponse) -> str:
    """The page to which a form led, once its command is carried out and the recipients are read and planned."""
    location = answer.location
    results = console.process_commands()
    assert ("applied", None) == results[0], results
    room.read_files()
    room.run_worker()
    return location


# templates


def test_templates_that_can_be_sent_come_first_each_with_its_two_ways(manager: Browser, room: CampaignRoom) -> None:
    page = manager.get(f"/campaigns/new?number={NUMBER}").text
    names = ("autumn_rival", "autumn_service", "picture", "summer_sale")
    assert sorted(names, key=lambda name: page.index(f"<b>{name}</b>")) == list(names)
    links = [
        unescape(part.partition('"')[0]) for part in page.split('href="')[1:] if "template=" in part.partition('"')[0]
    ]
    assert 4 == len(links)
    assert not any("summer_sale" in link or "picture" in link for link in links)
    assert "Meta has not approved it" in page
    assert "Its heading is a file" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=RIVAL", ["autumn_rival"]),
        ("q=your+bike", ["autumn_rival", "autumn_service", "picture", "summer_sale"]),
        ("status=PAUSED", ["summer_sale"]),
        ("quality=RED", ["summer_sale"]),
        ("language=it", []),
        ("category=MARKETING&rows=10&skip=2", ["picture", "summer_sale"]),
        ("rows=11&skip=-1&q=%00", ["autumn_rival", "autumn_service", "picture", "summer_sale"]),
    ],
)
def test_templates_are_filtered(manager: Browser, room: CampaignRoom, query: str, found: list[str]) -> None:
    page = manager.get(f"/campaigns/new?number={NUMBER}&{query}").text
    assert found == [
        name for name in ("autumn_rival", "autumn_service", "picture", "summer_sale") if f"<b>{name}</b>" in page
    ]


def test_the_templates_and_the_example_file_are_downloaded(manager: Browser, room: CampaignRoom) -> None:
    sheet = openpyxl.load_workbook(
        io.BytesIO(manager.download(f"/campaigns/new/templates.xlsx?number={NUMBER}&status=APPROVED"))
    ).active
    assert sheet is not None
    assert ["autumn_rival", "autumn_service", "picture"] == [row[0].value for row in sheet.iter_rows(min_row=2)]
    example = manager.download(START.replace("/new?", "/new/example.xlsx?"))
    sheet = openpyxl.load_workbook(io.BytesIO(example)).active
    assert sheet is not None
    assert ["Phone", "Name", "{{1}}"] == [cell.value for cell in sheet[1]]


# from a file


def test_a_file_arrives_in_chunks_and_each_one_once(console: Console, manager: Browser, room: CampaignRoom) -> None:
    address = sends(manager, CSV.encode(), at_once=20)
    found = uploaded(room.connection, file_of(address))
    assert found is not None
    assert ("people.csv", len(CSV), "waiting") == (found.name, found.size, found.state)
    assert "people.csv is being read" in manager.get(address).text
    room.read_files()
    assert "Which column is what" in manager.get(address).text


def test_a_file_that_is_not_complete_or_somebody_elses_is_not_taken(
    console: Console, boss: Browser, manager: Browser, room: CampaignRoom
) -> None:
    address = f"/campaigns/new/file/{uuid4()}"
    headers = {"X-Form-Token": manager.token(), "Content-Type": "application/octet-stream"}
    assert 204 == manager.http.post(f"{address}/0", data=b"a", headers=headers).status_code
    assert 204 == manager.http.post(f"{address}/2", data=b"c", headers=headers).status_code
    assert 409 == manager.post(address, size="2").status_code
    theirs = {"X-Form-Token": boss.token(), "Content-Type": "application/octet-stream"}
    assert 413 == boss.http.post(f"{address}/1", data=b"b", headers=theirs).status_code
    assert 409 == boss.post(address, size="2").status_code
    assert 413 == manager.http.post(f"{address}/1", data=b"x" * (CHUNK_BYTES + 1), headers=headers).status_code
    assert 403 == manager.http.post(f"{address}/1", data=b"b", headers={**headers, "X-Form-Token": "x"}).status_code
    assert (
        415 == manager.http.post(f"{address}/1", data=b"b", headers={**headers, "Content-Type": "text/csv"}).status_code
    )
    assert 204 == manager.http.post(f"{address}/1", data=b"b", headers=headers).status_code
    assert 200 == manager.post(address, size="3").status_code
    assert 200 == manager.post(address, size="3").status_code


def test_a_chunk_that_is_sent_again_counts_once_towards_the_largest_file(
    manager: Browser, room: CampaignRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_FILE_BYTES", 3)
    address = f"/campaigns/new/file/{uuid4()}"
    headers = {"X-Form-Token": manager.token(), "Content-Type": "application/octet-stream"}
    for number, content, status in ((0, b"aa", 204), (0, b"aa", 204), (1, b"b", 204), (1, b"b", 204), (2, b"c", 413)):
        assert status == manager.http.post(f"{address}/{number}", data=content, headers=headers).status_code
    assert 200 == manager.post(address, size="3").status_code


def test_without_script_a_small_file_arrives_in_a_form(manager: Browser, room: CampaignRoom) -> None:
    fields = {"csrf": manager.token(), "number": NUMBER, "template": "autumn_service|en", "from": "file"}
    answer = manager.http.post(
        "/campaigns/new/file",
        data={**fields, "file": (io.BytesIO(CSV.encode()), "my files/people.csv")},
        content_type="multipart/form-data",
    )
    assert 303 == answer.status_code
    found = uploaded(room.connection, file_of(answer.location))
    assert found is not None
    assert "people.csv" == found.name


def test_a_file_that_cannot_be_read_says_what_helps(manager: Browser, room: CampaignRoom) -> None:
    address = sends(manager, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old.xls")
    room.read_files()
    page = manager.get(address).text
    assert 'class="wrong" role="alert"' in page
    assert "Save it as" in page or "Save it without one" in page
    assert "Choose the file with the recipients" in page


def test_the_columns_are_guessed_and_the_rows_are_shown_as_the_customers_will_see_them(
    manager: Browser, room: CampaignRoom
) -> None:
    address = sends(manager, CSV.encode())
    room.read_files()
    page = manager.get(address).text
    for place, role in ((0, "phone"), (1, "name"), (2, "p:1")):
        select = page.partition(f'name="c{place}"')[2].partition("</select>")[0]
        assert f'value="{role}" selected' in select
    assert "<mark>Trek</mark>" in page
    assert "A field would be empty" in page
    assert "Not a phone number" in page
    second = manager.get(f"{address}&v.1=your+bike&at=1").text
    assert "<mark>your bike</mark>" in second
    assert "A field would be empty" not in second
    unfilled = manager.get(f"{address}&c0=phone&c1=&c2=").text
    assert "Nothing fills in {{1}} yet" in unfilled
    assert "A field would be empty" not in unfilled
    assert "Say in which column the phones are." in manager.get(f"{address}&c0=&c1=&c2=p:1").text


def test_every_change_of_the_form_is_an_address(manager: Browser, room: CampaignRoom) -> None:
    address = sends(manager, CSV.encode())
    room.read_files()
    answer = fills_in(manager, address, do="update", c1="", country="GB", breaks="space", name="Autumn", active="1")
    kept = parse_qs(urlsplit(answer.location).query)
    assert ["Autumn", "GB", "space", "1"] == [kept[name][0] for name in ("name", "country", "breaks", "active")]
    shown = manager.get(answer.location).text
    assert 'value="Autumn"' in shown
    assert 'value="GB" selected' in shown
    pushed = fills_in(manager, address, "draft-form", do="update", name="Autumn")
    assert "name=Autumn" in pushed.headers["HX-Push-Url"]


def test_a_campaign_is_created_checked_tested_and_started(
    console: Console, manager: Browser, room: CampaignRoom
) -> None:
    address = sends(manager, CSV.encode())
    room.read_files()
    answer = fills_in(manager, address, do="create", name="Autumn", cap="7", to="skillset:sales")
    assert "It is being created" in manager.get(answer.location).text
    check = created(console, room, answer)
    page = manager.get(check).text
    assert "1 good" in page
    assert "3 not" in page
    for words in ("The same person twice", "A field would be empty", "Not a phone number", "ask Elena"):
        assert words in page
    assert "row 4 is the same person as row 2" in page
    problems = openpyxl.load_workbook(
        io.BytesIO(manager.download(f"{check.partition('/check')[0]}/problems.xlsx"))
    ).active
    assert problems is not None
    assert [3, 4, 5] == sorted(int(str(row[-2].value)) for row in problems.iter_rows(min_row=2))
    bad = unescape(re.findall(r'class="is-bad" href="([^"]+)"', page)[0])
    assert ["3", "4", "5"] == re.findall(r'id="recipient-(\d+)"', manager.get(bad).text)

    start = check.partition("/check")[0] + "/start"
    summary = manager.get(start).text
    assert "7 days" in summary
    assert "sales" in summary.lower()
    assert 303 == manager.submit(start, when="now").status_code
    assert [("applied", None)] == console.process_commands()
    room.run()
    assert ["+393005550101"] == room.reached()


def test_a_cure_for_all_rows_with_a_problem_creates_the_campaign_once_more_and_cancels_the_other(
    console: Console, manager: Browser, room: CampaignRoom
) -> None:
    address = sends(manager, CSV.encode())
    room.read_files()
    first = created(console, room, fills_in(manager, address, do="create", name="Autumn"))
    answer = manager.submit(first, value="your bike")
    assert 303 == answer.status_code
    second = created(console, room, answer)
    assert "2 good" in manager.get(second).text
    assert "This campaign ended before it began." in manager.get(first).text


def test_what_was_rejected_can_be_changed(console: Console, manager: Browser, room: CampaignRoom) -> None:
    address = sends(manager, CSV.encode())
    room.read_files()
    answer = fills_in(manager, address, do="create", name="Autumn")
    room.store(AUTUMN._replace(status="PAUSED"))
    assert "rejected" == console.process_commands()[0][0]
    page = manager.get(answer.location)
    assert 422 == page.status_code
    assert "It was not created:" in page.text
    back = unescape(page.text.partition('class="btn" href="')[2].partition('"')[0])
    assert "name=Autumn" in back
    assert "The template cannot be sent now." in manager.get(back).text


def test_strangers_do_not_see_what_became_of_somebodys_request(
    console: Console, boss: Browser, manager: Browser, room: CampaignRoom
) -> None:
    address = sends(manager, CSV.encode())
    room.read_files()
    answer = fills_in(manager, address, do="create", name="Autumn")
    assert 404 == boss.get(answer.location).status_code
    assert 404 == manager.get(f"/campaigns/{uuid4()}/check?command={uuid4()}").status_code


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": " "}, "Give the campaign a name."),
        ({"c0": ""}, "Say in which column the phones are."),
        ({"quiet_from": "20:00"}, "Quiet hours need two times of day"),
        ({"quiet_from": "20:00", "quiet_to": "20:00"}, "Quiet hours need two times of day"),
        ({"canary": "999999"}, "The first messages: a number"),
        ({"cap": "999"}, "Days since the last campaign"),
    ],
)
def test_what_cannot_be_created_says_why_and_keeps_what_was_typed(
    console: Console, manager: Browser, room: CampaignRoom, fields: dict[str, str], words: str
) -> None:
    address = sends(manager, CSV.encode())
    room.read_files()
    answer = fills_in(manager, address, do="create", **{"name": "Autumn", **fields})
    assert 422 == answer.status_code
    assert words in answer.text
    assert [] == console.publisher.on("t")


def test_templates_are_compared(console: Console, manager: Browser, room: CampaignRoom) -> None:
    address = sends(manager, CSV.replace("Ben;", "Ben;Cube").encode())
    room.read_files()
    both = f"{address}&template=autumn_rival%7Cen"
    page = manager.get(both).text
    assert 2 == page.count('class="phone-bubble"')
    answer = manager.post(
        "/campaigns/new",
        **{"number": NUMBER, "from": "file", "file": str(file_of(address)), "c0": "phone", "c2": "p:1", "name": "Both"},
        template=["autumn_service|en", "autumn_rival|en", ""],
        do="create",
        form=str(uuid4()),
    )
    created(console, room, answer)
    (record,) = room.office.rows("select count(*) as n from campaign_templates")
    assert 2 == record["n"]


# from customers


def test_meta_warns_first_and_customers_are_counted_and_reached(
    console: Console, manager: Browser, room: CampaignRoom
) -> None:
    room.office.customer_writes(phone="393005551234")
    room.office.customer_writes(phone="393005555678")
    address = f"{START}&from=customers"
    assert "Meta lets a business send templates only to people who agreed" in manager.get(address).text
    address += "&agreed=1"
    assert "Which customers" in manager.get(address).text
    count = address.replace("/new?", "/new/count?")
    assert "2 customers fit now" in manager.get(count).text
    later = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert "0 customers fit now" in manager.get(f"{count}&since={later}").text
    assert "0 customers fit now" in manager.get(f"{count}&written=de").text
    assert "0 customers fit now" in manager.get(f"{count}&reason=bot_closed").text
    answer = fills_in(manager, address, do="create", name="Hello", active="1", **{"v.1": "your bike"})
    check = created(console, room, answer)
    assert "2 good" in manager.get(check).text


# test and start


def test_a_test_goes_to_people_of_the_company(console: Console, manager: Browser, room: CampaignRoom) -> None:
    campaign = room.planned(2)
    check = f"/campaigns/{campaign.id}/check"
    answer = manager.submit(check, to="+39 300 555 0101; +39 300 555 0102")
    assert 303 == answer.status_code
    assert [("applied", None)] == console.process_commands()
    room.run()
    assert ["+393005550101", "+393005550102"] == sorted(room.reached())
    assert 2 == manager.get(check).text.count("accepted by WhatsApp")
    assert "wrong=phones" in manager.submit(check, to=", ".join(["+39 300 555 0101"] * 6)).location


def test_a_start_is_scheduled_in_the_zone_that_the_page_names(
    console: Console, manager: Browser, room: CampaignRoom
) -> None:
    campaign = room.planned(2, terms={"zone": "Europe/Rome"})
    start = f"/campaigns/{campaign.id}/start"
    assert "times are those of Europe/Rome" in manager.get(start).text
    day = datetime.now(UTC).date() + timedelta(days=40)
    assert 303 == manager.submit(start, when="later", at=f"{day}T10:00", own="1").status_code
    assert [("applied", None)] == console.process_commands()
    found = room.campaign(campaign)
    at_ten = datetime.combine(day, time(10), ZoneInfo("Europe/Rome"))
    assert ("scheduled", at_ten, True) == (found.state, found.start_at, found.in_own_time)
    assert f'value="{day}T10:00"' in manager.get(start).text
    for at in ("", "2001-01-01T10:00", "0026-12-24T10:00", "tomorrow"):
        assert 422 == manager.submit(start, when="later", at=at).status_code
    for at in (f"{day.year + 2}-01-01T10:00", "9999-12-31T23:59"):
        assert "Choose a time within a year." in manager.submit(start, when="later", at=at).text


def test_the_check_says_how_many_people_meta_lets_the_company_reach(manager: Browser, room: CampaignRoom) -> None:
    campaign = room.planned(2)
    room.connection.execute("update graph_numbers set people_per_day = 10000")
    page = manager.get(f"/campaigns/{campaign.id}/check").text
    assert "WhatsApp lets this company reach 10,000 people in 24 hours; 0 were reached in the last 24." in page


def test_a_start_in_the_past_is_refused_on_the_page_and_not_in_a_notice(manager: Browser, room: CampaignRoom) -> None:
    campaign = room.planned(2)
    start = f"/campaigns/{campaign.id}/start"
    refused = manager.submit(start, "notices", when="later", at="2001-01-01T10:00")
    assert "Choose a time that is still to come." in refused.text
    assert ("main", "main") == (refused.headers["HX-Retarget"], refused.headers["HX-Reselect"])


def test_the_time_that_a_start_proposes_can_be_chosen(console: Console, manager: Browser, room: CampaignRoom) -> None:
    campaign = room.planned(2)
    start = f"/campaigns/{campaign.id}/start"
    proposed = manager.get(start).text.partition('name="at" value="')[2].partition('"')[0]
    assert proposed.endswith(":00")
    assert 303 == manager.submit(start, when="later", at=proposed).status_code
    assert [("applied", None)] == console.process_commands()
    assert "scheduled" == room.campaign(campaign).state


def test_what_the_commands_say_is_what_was_chosen(console: Console, manager: Browser, room: CampaignRoom) -> None:
    address = sends(manager, CSV.encode())
    room.read_files()
    fills_in(
        manager,
        address,
        do="create",
        name="Autumn",
        country="GB",
        breaks="space",
        canary="50",
        quiet_from="20:00",
        quiet_to="09:00",
        zone="Roma",
        to="user:anna",
        mode="immediate",
        hours="24",
    )
    (record,) = console.publisher.on("t")
    said = json.loads(record.value)
    mapping = said["file"]["mapping"]
    assert (0, 1, {"1": 2}, "GB", "space") == (
        mapping["phone"],
        mapping["name"],
        mapping["parameters"],
        mapping["country"],
        mapping["line_breaks"],
    )
    assert {"canary": 50, "quiet": {"start": "20:00:00", "end": "09:00:00"}, "zone": "Europe/Rome"} == said["terms"]
    assert {"target": {"kind": "user", "id": "anna"}, "mode": "immediate", "holds_hours": 24} == said["answers_to"]
    assert said["into_active"] is False


def steps_of(page: str) -> list[str]:
    """Returns where the steps of a page lead."""
    return [unescape(each) for each in re.findall(r'<a href="([^"]+)"[^>]*>\s*<i aria-hidden', page)]


@pytest.mark.parametrize("step", ["check", "start"])
def test_each_step_is_a_link_until_the_start(manager: Browser, room: CampaignRoom, step: str) -> None:
    """The first two lead to another campaign in place of this one."""
    campaign = room.planned(2)
    own = f"/campaigns/{campaign.id}"
    template, recipients, other = steps_of(manager.get(f"{own}/{step}").text)
    assert f"/campaigns/new?number={NUMBER}" == template
    assert f"replaces={campaign.id}" in recipients
    assert f"{own}/{'start' if step == 'check' else 'check'}" == other
    room.command("start", campaign)
    page = manager.get(f"{own}/{step}").text
    assert ([] if step == "check" else [f"{own}/check"]) == steps_of(page)
    assert "replaces" not in page


@pytest.mark.parametrize(
    ("command", "says"), [("start", "It was started."), ("cancel", "that was cancelled cannot be")]
)
def test_a_campaign_that_cannot_be_started_has_no_form_for_it(
    manager: Browser, room: CampaignRoom, command: str, says: str
) -> None:
    campaign = room.planned(2)
    start = f"/campaigns/{campaign.id}/start"
    assert 'name="when"' in manager.get(start).text
    room.command(command, campaign)
    page = manager.get(start).text
    assert (True, False) == (says in page, 'name="when"' in page)
    assert f'class="btn go" href="/campaigns/{campaign.id}"' in page


def test_a_campaign_that_was_started_meanwhile_is_not_cancelled_by_its_draft(
    console: Console, manager: Browser, room: CampaignRoom
) -> None:
    address = sends(manager, CSV.encode())
    room.read_files()
    for number, started in enumerate((False, True)):
        campaign = room.planned(2, f"Offer {number}")
        if started:
            room.command("start", campaign)
        fills_in(manager, f"{address}&replaces={campaign.id}", do="create", name=f"Autumn {number}")
        console.process_commands()
        assert ("running" if started else "cancelled") == room.campaign(campaign).state


# strange addresses, and strangers


@pytest.mark.parametrize(
    "query",
    [
        "from=file&file=x&c0=&c99999999999=phone&c%C2%B2=phone&v.=x&quiet_from=99:99&hours=0&canary=-1",
        "from=file&file=00000000-0000-0000-0000-000000000001",
        "from=customers&agreed=1&since=never&until=9999-99&tag=x&reason=x&written=%00&answered=perhaps",
        "from=nowhere",
        "from=file&template=x%7Cy&template=%7C&template=",
    ],
)
def test_a_strange_address_is_answered(manager: Browser, room: CampaignRoom, query: str) -> None:
    assert 200 == manager.get(f"{START}&{query}").status_code


def test_agents_create_nothing(console: Console, room: CampaignRoom) -> None:
    console.person("anna", administrator=False)
    agent = console.signed_in("anna")
    campaign = room.planned(2)
    for path in ("/campaigns/new/count", "/campaigns/new/example.xlsx", f"/campaigns/{campaign.id}/check"):
        assert 403 == agent.get(path).status_code
    for path in ("/campaigns/new", f"/campaigns/{campaign.id}/start", f"/campaigns/{campaign.id}/test"):
        assert 403 == agent.post(path).status_code
    headers = {"X-Form-Token": agent.token(), "Content-Type": "application/octet-stream"}
    assert 403 == agent.http.post(f"/campaigns/new/file/{uuid4()}/0", data=b"a", headers=headers).status_code
