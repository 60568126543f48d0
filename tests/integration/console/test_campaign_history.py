"""*Outbound history*, who may open it, and the menu that leads there."""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import openpyxl
import pytest

from infra.postgres.campaigns.counts import CountKey, Moves
from tests.support.campaign_pages import MANAGER, campaign_pages
from tests.support.campaign_room import CampaignRoom
from tests.support.console import Browser, Console, open_console
from tests.support.databases import Databases


@pytest.fixture(scope="module")
def console(databases: Databases) -> Iterator[Console]:
    """One console for all tests of the module, which change nothing."""
    dsn = databases.create()
    with open_console(dsn) as console:
        yield console
    databases.drop(dsn)


@pytest.fixture(scope="module")
def room(console: Console) -> Iterator[CampaignRoom]:
    """Three campaigns: one runs, one is paused, one is over; and a template that was sent to one customer."""
    with campaign_pages(console) as room:
        now = datetime.now(UTC)
        running = room.planned(5, "Autumn service", state="running", created_at=now - timedelta(days=2))
        room.planned(2, "Winter_sale 50%", state="paused", reason="canary", created_at=now - timedelta(days=1))
        room.planned(1, "Summer", state="finished", created_at=now - timedelta(days=40))
        moves = Moves()
        moves.add(CountKey(running.id, 1, 0, "planned", ""), -3)
        moves.add(CountKey(running.id, 1, 0, "delivered", ""), 3)
        moves.write(room.connection)
        room.connection.execute(
            "insert into campaign_answer_counts values (%b, 1, 0, 'unmanaged', 1), (%b, 1, 0, 'human', 1)",
            [running.id, running.id],
        )
        row = console.office.customer_writes()
        message = {"template": {"name": "autumn_service", "language": "en", "parameters": ["Anna"]}}
        asked = console.office.command("send", {"conversation_id": str(row), "message": message})
        assert [("applied", None)] == console.office.results_of(asked)
        yield room


@pytest.fixture
def manager(console: Console, room: CampaignRoom) -> Browser:
    """The browser of a campaign manager."""
    return console.signed_in(MANAGER)


def names(page: str) -> list[str]:
    """The campaigns that a page lists, in order."""
    return [name for name in ("Winter_sale 50%", "Autumn service", "Summer") if f"<bdi>{name}</bdi>" in page]


# who may open it


def test_a_campaign_manager_lands_on_the_history_and_reads_no_conversations(console: Console, manager: Browser) -> None:
    assert "/campaigns" == manager.get("/").location
    page = manager.get("/campaigns").text
    assert "New outbound campaign" in page
    assert "Outbound history" in page
    row = console.office.rows("select id from conversations")[0]["id"]
    for path in ("/unmanaged", "/waiting", "/desk", f"/desk/{row}", f"/conversations/{row}/template", "/numbers"):
        assert 403 == manager.get(path).status_code, path
        assert f'href="{path}' not in page


def test_an_administrator_has_the_three_entries_of_the_menu_on_every_page(boss: Browser, room: CampaignRoom) -> None:
    for path in ("/campaigns", "/campaigns/new", "/unmanaged", "/waiting", "/numbers", "/account"):
        page = boss.get(path).text
        entries = [page.index(f'/{each}"') for each in ("campaigns/new", "campaigns", "unmanaged")]
        assert sorted(entries) == entries, path


def test_agents_and_strangers_open_no_page_of_campaigns(console: Console, room: CampaignRoom) -> None:
    console.person("anna", administrator=False)
    agent = console.signed_in("anna")
    for path in ("/campaigns", "/campaigns.xlsx", "/campaigns/new", "/campaigns/new/templates.xlsx"):
        assert 403 == agent.get(path).status_code
        assert 303 == console.browser().get(path).status_code
    assert 'href="/campaigns' not in agent.get("/account").text


# the list


def test_the_history_says_of_each_campaign_how_far_it_is_and_who_was_left_alone(
    boss: Browser, room: CampaignRoom
) -> None:
    page = boss.get("/campaigns").text
    assert ["Winter_sale 50%", "Autumn service", "Summer"] == names(page)
    assert "too many of the first messages failed" in page
    running = page[page.index("Autumn service") : page.index("Summer")]
    assert [("rows", "5"), ("delivered", "3"), ("answered", "2")] == re.findall(
        r'/recipients\?cell=(\w+)"[^>]*>(\d+)</a>', running
    )
    assert "1 answered but unmanaged" in running


def test_a_campaign_manager_is_told_how_many_were_left_alone_without_a_link_to_the_conversations(
    manager: Browser,
) -> None:
    page = manager.get("/campaigns").text
    assert "unmanaged?" not in page
    assert "recipients?cell=unmanaged" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=winter", ["Winter_sale 50%"]),
        ("q=50%25", ["Winter_sale 50%"]),
        ("q=r_s", ["Winter_sale 50%"]),
        ("state=running", ["Autumn service"]),
        ("state=nonsense", ["Winter_sale 50%", "Autumn service", "Summer"]),
        ("number=elsewhere", []),
        (f"until={datetime.now(UTC) - timedelta(days=30):%Y-%m-%d}", ["Summer"]),
        (f"since={datetime.now(UTC) - timedelta(days=30):%Y-%m-%d}", ["Winter_sale 50%", "Autumn service"]),
        ("since=yesterday&until=9999-99-99&rows=7&after=x", ["Winter_sale 50%", "Autumn service", "Summer"]),
    ],
)
def test_the_history_is_filtered_by_name_state_number_and_time(
    boss: Browser, room: CampaignRoom, query: str, found: list[str]
) -> None:
    assert found == names(boss.get(f"/campaigns?{query}").text)


def test_single_templates_have_a_list_of_their_own(boss: Browser, room: CampaignRoom) -> None:
    page = boss.get("/campaigns?of=single").text
    assert 1 == page.count("autumn_service")
    assert "waiting to be sent" in page
    assert "No" not in names(page)
    assert "autumn_service" not in boss.get("/campaigns?of=single&state=read").text
    assert "autumn_service" in boss.get("/campaigns?of=single&q=AUTUMN&state=queued").text


def test_the_history_turns_its_pages(boss: Browser, room: CampaignRoom) -> None:
    number = str(uuid4())
    for n in range(12):
        room.planned(1, f"Of many {n:02}", phone_number_id=number, created_at=datetime(2026, 1, n + 1, tzinfo=UTC))
    first = boss.get(f"/campaigns?rows=10&number={number}").text
    after = first.partition("after=")[2].partition('"')[0]
    second = boss.get(f"/campaigns?rows=10&number={number}&after={after}").text
    shown = [[f"{n:02}" for n in range(12) if f"Of many {n:02}" in page] for page in (first, second)]
    assert [[f"{n:02}" for n in range(2, 12)], ["00", "01"]] == shown
    room.connection.execute("delete from campaigns where phone_number_id = %b", [number])


# downloads


def test_the_history_is_downloaded_as_a_workbook(manager: Browser) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(manager.download("/campaigns.xlsx"))).active
    assert sheet is not None
    head, *rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert ["Name", "State", "Number", "Template"] == head[:4]
    assert [
        ("Winter_sale 50%", "Paused: too many of the first messages failed", 2),
        ("Autumn service", "Running", 5),
        ("Summer", "Finished", 1),
    ] == [(row[0], row[1], row[9]) for row in rows]
    assert [3, 0, 2, 1] == rows[1][11:15]


def test_single_templates_are_downloaded_without_their_text(manager: Browser) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(manager.download("/campaigns.xlsx?of=single"))).active
    assert sheet is not None
    (row,) = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]
    assert ["autumn_service", "en", "waiting to be sent", "+1 650-555-1234"] == row[:4]
    assert not any("your bike" in str(cell) for cell in row)
