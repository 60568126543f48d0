"""`witiop conversations list` and `witiop directory show`: waiting, offered and managed conversations, and presence."""

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection
from psycopg.sql import SQL

from domain.facts import AgentAccepted, AgentMessage
from infra.postgres.lists.cursor import START
from infra.postgres.lists.desk import DeskFilter, DeskState, desk_page, desk_statement
from infra.postgres.lists.waiting_for_reply import ReplyFilter, reply_statement
from tests.support.command_line import CommandLine
from tests.support.conversation_rows import NOON, conversation_row, insert_conversations
from tests.support.office import Office, open_office

STATES: tuple[DeskState, ...] = ("waiting", "assigned", "managed")
OWNED = {"waiting": ("q", "r"), "assigned": ("a", "u"), "managed": ("x", None)}
"""`u`: accepted, and nobody has written to the customer."""


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


def listed(witiop: CommandLine, *arguments: str) -> Any:
    finished = witiop("conversations", "list", *arguments, "--json")
    assert (finished.code, finished.err) == (0, "")
    return json.loads(finished.out)


def ids(found: Any) -> list[UUID]:
    return [UUID(row["id"]) for row in found["rows"]]


def test_a_conversation_is_listed_under_its_state_only(witiop: CommandLine, office: Office) -> None:
    unmanaged = office.customer_writes("hello", "390")
    queued = office.customer_writes("1", "391", hours_ago=0.9)
    reserved = office.customer_writes("hello", "392", hours_ago=0.8)
    assigned = office.customer_writes("hello", "393", hours_ago=0.7)
    managed = office.customer_writes("hello", "394", hours_ago=0.6)
    office.presence("carla", "ready")
    office.results_of(
        office.transfer(reserved, "user", "ben", "exclusive"), office.transfer(assigned, "user", "carla", "immediate")
    )
    accepted = office.customer_writes("hello", "395", hours_ago=0.5)
    office.desktop_reports(AgentMessage, "anna", managed)
    office.desktop_reports(AgentAccepted, "anna", accepted)

    assert {"waiting": [reserved, queued], "assigned": [accepted, assigned], "managed": [managed]} == {
        state: ids(listed(witiop, "--state", state)) for state in STATES
    }
    rows = listed(witiop, "--state", "assigned")["rows"]
    assert [("user", "anna", "accepted"), ("user", "carla", "assigned")] == [
        (row["owner"]["kind"], row["owner"]["id"], row["owner"]["state"]) for row in rows
    ]
    assert all(row["owner"]["until"] for row in rows)
    assert unmanaged not in {id_ for state in STATES for id_ in ids(listed(witiop, "--state", state))}


def test_the_list_names_the_owner(witiop: CommandLine, office: Office) -> None:
    office.customer_writes("1")
    out = witiop("conversations", "list", "--state", "waiting").out
    assert "skillset sales (queued)" in out
    assert "There are no such conversations." in witiop("conversations", "list", "--state", "managed").out


@pytest.mark.parametrize("phone", ["5491112345678", "+54 11 1234-5678", "541112345678"])
def test_a_customer_is_found_by_any_national_variant_of_the_phone(
    witiop: CommandLine, office: Office, phone: str
) -> None:
    wanted = office.customer_writes("1", "5491112345678")
    office.customer_writes("1", "5491112345679")
    assert [wanted] == ids(listed(witiop, "--state", "waiting", "--phone", phone))
    assert [] == ids(listed(witiop, "--state", "waiting", "--phone", phone, "--number", "bot"))
    assert 2 == witiop("conversations", "list", "--state", "waiting", "--phone", "anna").code


@pytest.fixture
def many(database: str) -> Iterator[Connection[Any]]:
    """Thirty conversations of every state for each of two numbers, many with the same time, and closed ones."""
    with psycopg.connect(database, autocommit=True) as conn:
        combinations = product(("2", "3"), ("a", "c"), ("q", "r", "a", "u", "x", None), range(30))
        insert_conversations(
            conn,
            *(
                conversation_row(
                    place,
                    phone_number_id=number,
                    status=status,
                    unmanaged=False,
                    reason=None,
                    managed=state in ("x", None),
                    owner_kind="u" if state else None,
                    owner_id="anna" if state else None,
                    owner_state="x" if state == "u" else state,
                    owner_until=NOON if state in ("r", "a", "u") else None,
                    last_at=NOON - timedelta(microseconds=place % 7),
                )
                for place, (number, status, state, _) in enumerate(combinations)
            ),
        )
        conn.execute("vacuum analyze conversations")
        yield conn


@pytest.mark.parametrize(("state", "number"), list(product(STATES, (None, "3"))))
def test_the_pages_contain_every_matching_conversation_once_and_the_latest_first(
    many: Connection[Any], state: DeskState, number: str | None
) -> None:
    expected = many.execute(
        "select id from conversations where status = 'a' and (managed and %s or not managed and "
        "case owner_state when 'x' then 'u' else owner_state::text end = any(%s)) "
        "and (%s::text is null or phone_number_id = %s) order by last_at desc, id desc",
        [state == "managed", [s for s in OWNED[state] if s], number, number],
    ).fetchall()
    after, found = START, list[UUID]()
    while True:
        page = desk_page(many, DeskFilter(state, number), 25, after)
        found += [row.id for row in page.rows]
        if page.next is None:
            break
        after = page.next
    assert [row[0] for row in expected] == found
    assert len(found) >= 30


@pytest.mark.parametrize(("state", "number"), list(product(STATES, (None, "3"))))
def test_a_page_is_read_from_an_index_in_order(many: Connection[Any], state: DeskState, number: str | None) -> None:
    values = {"number": number, "phone": None, "at": START.at, "id": START.id, "limit": 11}
    many.execute("set enable_seqscan = off")
    statement = desk_statement(DeskFilter(state, number)).as_bytes(many)
    plan = many.execute(b"explain (format json) " + statement, values).fetchone()
    text = json.dumps(plan)
    assert '"Seq Scan"' not in text
    assert "conversations_managed" in text if state == "managed" else "conversations_desk" in text


@pytest.mark.parametrize(
    ("which", "index"),
    [
        (ReplyFilter(), "conversations_waiting_for_reply"),
        (ReplyFilter(number="3"), "conversations_waiting_for_reply_number"),
        (ReplyFilter(user="anna"), "conversations_owned"),
    ],
    ids=str,
)
def test_who_waits_for_a_reply_is_read_from_an_index(many: Connection[Any], which: ReplyFilter, index: str) -> None:
    """In the order of the list, so that a page costs its rows. Of a user, who has few conversations, all are read."""
    many.execute("update conversations set waits_since = last_at where status = 'a' and owner_state = 'x'")
    many.execute("update conversations set owner_id = 'user ' || hashtext(id::text) where owner_id is not null")
    many.execute("analyze conversations")
    text = reply_statement(which).as_string(many)
    for number, name in enumerate(("number", "user", "at", "id", "limit"), 1):
        text = text.replace(f"%({name})s", f"${number}")
    explained = many.execute(SQL("explain (generic_plan, costs off) {}").format(SQL(text))).fetchall()
    plan = "\n".join(line for (line,) in explained)
    assert f"Index Scan using {index} on" in plan, plan
    assert ("Sort" in plan) == (which.user is not None), plan


def test_the_directory_shows_presence_and_free_capacity(witiop: CommandLine, office: Office) -> None:
    office.presence("anna", "ready")
    office.presence("ben", "ready")
    office.presence("ben", "paused")
    office.presence("carla", "ready")
    office.desktop_reports(AgentAccepted, "carla", office.customer_writes())

    found = json.loads(witiop("directory", "show", "--json").out)
    shown = {user["id"]: (user["state"], user["ready"], user["available"], user["free"]) for user in found["users"]}
    assert {
        "anna": ("ready", True, True, 2),
        "ben": ("paused", False, False, 1),
        "carla": ("ready", True, False, 0),
    } == shown
    assert {"sales": 1, "support": 0} == {each["id"]: each["available"] for each in found["skillsets"]}
    out = witiop("directory", "show").out
    assert "[[user]]  # paused, 1 of 1 free\n" in out
    assert "[[skillset]]  # 1 available\n" in out


def test_an_agent_whose_presence_is_stale_is_shown_as_offline(witiop: CommandLine, office: Office) -> None:
    office.presence("anna", "ready")
    office.connection.execute("update agent_presence set seen_at = now() - interval '301 seconds'")
    found = json.loads(witiop("directory", "show", "--json").out)
    assert ["offline"] == [user["state"] for user in found["users"] if user["id"] == "anna"]
    assert 0 == sum(each["available"] for each in found["skillsets"])
    witiop.set("WITIOP_PRESENCE_TIMEOUT_SECONDS", "400")
    assert "# ready, 2 of 2 free" in witiop("directory", "show").out
