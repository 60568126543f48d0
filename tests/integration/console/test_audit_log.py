"""The audit log: both sources together, filters, pages, downloads, and its plans among many rows."""

import csv
import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from openpyxl import load_workbook
from psycopg import Connection

from infra.postgres.console import audit_log
from infra.postgres.console.audit_log import AuditCursor, AuditFilter, LoggedAct
from tests.support.console import BOSS, Browser, Console

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def text_of(page: str) -> str:
    """What the table says."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("<tbody")[2].partition("</tbody")[0]).split())


def test_what_a_person_did_is_there_with_its_result(console: Console, boss: Browser) -> None:
    conversation = console.office.customer_writes("my secret wish")
    boss.submit(f"/conversations/{conversation}/transfer/skillset", to="sales", mode="exclusive")
    page = boss.get("/audit").text
    assert "Reserve for Sales" in text_of(page)
    assert "No result yet" in text_of(page)
    console.process_commands()
    page = boss.get("/audit").text
    assert f"{BOSS} 127.0.0.1 Reserve for Sales conversation Done" in text_of(page)
    assert f"open={conversation}" in page
    assert "Signed in" in text_of(page)
    assert 1 == text_of(page).count("Reserve for Sales")
    assert "my secret wish" not in page


def test_commands_that_came_from_elsewhere_are_there_too(console: Console, boss: Browser) -> None:
    conversation = console.office.customer_writes()
    console.office.results_of(console.office.transfer(conversation, "skillset", "nowhere", "exclusive", issuer="cron"))
    page = text_of(boss.get("/audit?kind=commands").text)
    assert "cron Transfer test conversation Rejected:" in page
    assert "Signed in" not in page
    assert "cron" not in text_of(boss.get("/audit?kind=sign_ins").text)


def test_acts_on_people_name_whom_and_what(console: Console, boss: Browser) -> None:
    boss.post("/people/new", name="vera", level="supervisor", skillset="sales")
    boss.post("/people/person/disable", name="vera")
    page = text_of(boss.get("/audit?kind=people").text)
    assert "Disabled a person vera" in page
    assert "Added a person vera, Supervisor of skillsets" in page


def test_what_has_a_name_is_named(console: Console, boss: Browser) -> None:
    conversation = console.office.customer_writes()
    boss.post("/alarms/silence", kind="lag", key="", hours="4")
    boss.post(f"/conversations/{conversation}/notes/tags", tag="vip")
    boss.post(f"/conversations/{conversation}/notes/tags/remove", tag="vip")
    page = text_of(boss.get("/audit").text)
    assert "Silenced an alarm lag, 4 h" in page
    assert "Removed a tag vip" in page


def test_refusals_are_explained(console: Console, boss: Browser) -> None:
    console.browser("192.0.2.9").sign_in("stranger", "guess")
    console.person("anna", administrator=False)
    console.signed_in("anna").get("/people")
    assert "stranger 192.0.2.9 Tried to sign in wrong" in text_of(boss.get("/audit?kind=sign_ins").text)
    assert "anna 127.0.0.1 Opened what their level does not allow /people" in text_of(
        boss.get("/audit?kind=refused").text
    )


@pytest.fixture
def filled(console: Console) -> UUID:
    """A log of a month: every hour something in the console, every second hour a command of `cron`; one of each about
    the conversation that is returned."""
    about = uuid4()
    connection = console.office.connection
    connection.execute("delete from console_audit")
    fill(connection, 300, about)
    return about


def fill(connection: Connection[Any], hours: int, about: UUID) -> None:
    connection.execute(
        """
        insert into console_audit (at, event, name, address, conversation_id, command_id, detail)
        select %(begin)s + n * interval '1 hour', (array['signed_in', 'asked', 'downloaded'])[1 + n %% 3],
          (array['boss', 'carla'])[1 + n %% 2], '192.0.2.1', case when n = 7 then %(about)s::uuid end,
          case when n %% 3 = 1 then 'of console ' || n end, '{"what": "take"}'
        from generate_series(0, %(hours)s - 1) as n
        """,
        {"begin": BEGIN, "hours": hours, "about": about},
    )
    connection.execute(
        """
        insert into command_audit (topic, partition, "offset", received_at, command_id, type, source, issuer, outcome,
          conversation_id)
        select 't', n %% 3, n, %(begin)s + n * interval '1 hour',
          case when n %% 3 = 1 then 'of console ' || n else 'of cron ' || n end, 'witiop.command.recall.v1', 'test',
          case when n %% 3 = 1 then 'boss' else 'cron' end, 'applied', case when n = 8 then %(about)s::uuid end
        from generate_series(0, %(hours)s - 1) as n
        """,
        {"begin": BEGIN, "hours": hours, "about": about},
    )


def everything(console: Console, which: AuditFilter, rows: int) -> Sequence[LoggedAct]:
    return list(audit_log.acts(console.office.connection, which, rows))


@pytest.mark.parametrize(
    "which",
    [
        AuditFilter(),
        AuditFilter(kind="commands"),
        AuditFilter(kind="sign_ins"),
        AuditFilter(person="boss"),
        AuditFilter(person="cron"),
        AuditFilter(person="carla", kind="downloads"),
        AuditFilter(since=BEGIN + timedelta(days=2), until=BEGIN + timedelta(days=4)),
    ],
)
def test_pages_of_any_size_show_every_entry_once_and_in_order(
    console: Console, filled: UUID, which: AuditFilter
) -> None:
    whole = everything(console, which, 10_000)
    assert whole
    for rows in (1, 7, 50):
        assert whole == everything(console, which, rows)
    assert sorted((each.at for each in whole), reverse=True) == [each.at for each in whole]
    assert len({(each.source, each.place_a, each.place_b) for each in whole}) == len(whole)


def test_the_console_and_elsewhere_are_counted_once_each(console: Console, filled: UUID) -> None:
    assert 300 + 200 == len(everything(console, AuditFilter(), 1000))
    assert 200 == len(everything(console, AuditFilter(person="cron"), 1000))
    assert 100 == len(everything(console, AuditFilter(kind="sign_ins"), 1000))
    assert 2 == len(everything(console, AuditFilter(conversation=filled), 1000))
    days = AuditFilter(since=BEGIN + timedelta(days=1), until=BEGIN + timedelta(days=2), kind="downloads")
    assert 8 == len(everything(console, days, 1000))
    results = {each.result for each in everything(console, AuditFilter(kind="commands", person="boss"), 1000)}
    assert {"applied", None} >= results


def test_the_address_says_what_is_shown_and_leads_on(console: Console, boss: Browser, filled: UUID) -> None:
    page = boss.get("/audit?rows=10&person=cron").text
    assert 10 == page.count("<time")
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following is not None
    assert "person=cron" in following[1]
    again = boss.get(following[1].replace("&amp;", "&")).text
    assert text_of(page) != text_of(again)
    assert "Nothing here." in boss.get("/audit?person=nobody").text
    for nonsense in ("after=x", "after=99999999999999999a1-1", "kind=x", "since=x", "conversation=x", "rows=7"):
        assert 200 == boss.get(f"/audit?{nonsense}").status_code
    assert 2 == text_of(boss.get(f"/audit?conversation={filled}").text).count("conversation")


def test_the_downloads_have_the_same_and_are_noted(console: Console, boss: Browser, filled: UUID) -> None:
    [sheet] = load_workbook(io.BytesIO(boss.download("/audit.xlsx?person=cron"))).worksheets
    assert "cron" in [cell.value for row in sheet.iter_rows() for cell in row]
    lines = list(csv.reader(io.StringIO(boss.download("/audit.csv?person=cron").decode("utf-8-sig"))))
    assert ["When", "UTC offset", "Who", "What", "About", "Result", "Network address"] == lines[0]
    assert 200 + 1 == len(lines)
    noted = [each["detail"] for each in console.audited("downloaded")][-2:]
    assert [("audit", "xlsx"), ("audit", "csv")] == [(each["what"], each["kind"]) for each in noted], noted


def test_a_cursor_is_read_as_it_was_written() -> None:
    for cursor in (AuditCursor(BEGIN, "a", (5, 0)), AuditCursor(BEGIN + timedelta(microseconds=1), "c", (2, 77))):
        assert cursor == AuditCursor.parse(str(cursor))
    assert [None] * 5 == [AuditCursor.parse(each) for each in ("", "a", "1a", "1b1-1", "9" * 18 + "a1-1")]


@pytest.mark.parametrize(
    "which",
    [
        AuditFilter(),
        AuditFilter(kind="sign_ins"),
        AuditFilter(person="boss"),
        AuditFilter(person="boss", kind="downloads"),
        AuditFilter(until=BEGIN + timedelta(days=200)),
    ],
)
def test_a_page_among_many_reads_only_its_rows(console: Console, which: AuditFilter) -> None:
    connection = console.office.connection
    fill(connection, 30_000, uuid4())
    connection.execute("analyze console_audit, command_audit")
    values = {**audit_log._values(which, 26), "at": audit_log._END, "id": 0}
    statement = audit_log.console_statement(which.person is not None, False, which.kind is not None)
    assert read_rows(connection, statement, values) <= 26 * 40
    floor = audit_log._console_rows(connection, which, 26, None)[-1].at
    values = {**audit_log._values(which, 26), "floor": floor, "no_acts": [], "at": audit_log._END}
    values |= {"partition": 2**31 - 1, "offset": 2**31 - 1}
    statement = audit_log.commands_statement(which.person is not None, False)
    assert read_rows(connection, statement, values) <= 26 * 40


def read_rows(connection: Connection[Any], statement: Any, values: dict[str, object]) -> int:
    """How many rows the scans of the plan read."""
    connection.execute("set plan_cache_mode = force_generic_plan")
    explained = connection.execute(b"explain (analyze, format json) " + statement.as_bytes(connection), values)
    ((plan,),) = explained.fetchall()

    def scanned(node: dict[str, Any]) -> int:
        own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) if "Scan" in node["Node Type"] else 0
        return int(own * node["Actual Loops"]) + sum(map(scanned, node.get("Plans", ())))

    return scanned(plan[0]["Plan"])


def test_every_event_belongs_to_one_kind() -> None:
    every = [event for events in audit_log.KINDS.values() for event in events]
    assert sorted(every) == sorted(set(every))
