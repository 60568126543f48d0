"""The `conversations` handler on a real database, without a broker: facts become conversations."""

import json
from collections.abc import Iterator
from threading import Thread
from uuid import uuid4

import psycopg
import pytest

from domain.arrival import arrival
from domain.facts import (
    FACT,
    AgentPresenceChanged,
    CustomerIdentityChanged,
    MessageFailed,
    MessageStatus,
    Notice,
    Party,
)
from domain.ids import fact_id
from domain.inbound.reading import CLOCK_TOLERANCE
from infra.postgres import directory
from infra.postgres.lists.console import page
from infra.postgres.lists.conversation_page import conversation_page
from infra.postgres.lists.unmanaged import UnmanagedFilter
from tests.support.inbox import Inbox
from tests.support.office import COMPANY
from tests.support.stories import DIRECTORY, NUMBER, FactMaker, at
from tests.support.waiting import wait_until

TELLER = FactMaker()


@pytest.fixture
def inbox(database: str) -> Iterator[Inbox]:
    with psycopg.connect(database, autocommit=True) as connection:
        with connection.transaction():
            directory.apply(connection, DIRECTORY)
        yield Inbox(connection)


def test_a_customer_who_chose_nothing_is_listed_as_unmanaged_with_the_reason(inbox: Inbox) -> None:
    inbox.take(TELLER.turn(0, "hello"), TELLER.turn(1, "anybody?"), now=at(1))
    (row,) = inbox.rows("select * from conversations")
    assert tuple(row[k] for k in ("status", "unmanaged", "reason", "last_text", "entries")) == (
        "a",
        True,
        7,
        "anybody?",
        2,
    )
    assert inbox.rows("select * from unmanaged_counts") == [
        {"phone_number_id": NUMBER, "status": "a", "reason": 7, "n": 1}
    ]
    assert [h["event"] for h in inbox.rows("select event from history order by sequence")] == [
        "opened",
        "became_unmanaged",
    ]
    types = [o["headers"]["ce_type"] for o in inbox.rows("select headers from outbox order by id")]
    assert types == ["witiop.conversation.opened.v1", "witiop.conversation.became_unmanaged.v1"]


def test_a_repeated_batch_changes_nothing(inbox: Inbox) -> None:
    facts = [TELLER.turn(0, "hello"), TELLER.bot(0.1), TELLER.turn(1, "9"), TELLER.echo(30)]
    inbox.take(*facts, now=at(1))
    tables = ["conversations", "entries", "history", "outbox", "unmanaged_counts", "customers", "identities"]
    before = {table: inbox.rows(f"select * from {table}") for table in tables}
    inbox.take(*facts, *facts, now=at(2))
    assert before == {table: inbox.rows(f"select * from {table}") for table in tables}


@pytest.mark.parametrize("in_one_batch", [False, True])
def test_an_event_that_is_repeated_with_another_time_is_the_same_event(inbox: Inbox, in_one_batch: bool) -> None:
    """A desktop may write another time with each try. A word to a customer who was answered then is none to the next
    conversation."""
    inbox.take(TELLER.turn(0, "hello"), now=at(0))
    word = TELLER.answered(0.5)
    later = word.model_copy(update={"at": at(25.1), "sent_at": at(25.1)})
    other = later.model_copy(update={"text": "another text under the same id"})
    turn = TELLER.turn(25, "are you there?")
    batches = [(word, turn, later)] if in_one_batch else [(word,), (turn,), (later,)]
    for batch in batches:
        inbox.take(*batch, now=at(25.2))
    assert [(True,), (False,)] == [
        (row["managed"],) for row in inbox.rows("select managed from conversations order by opened_at")
    ]
    inbox.take(other, now=at(25.3))
    assert 2 == len(inbox.rows("select 1 from entries where kind = 'agent_message'"))


def test_a_fact_that_arrives_before_its_conversation_is_added_to_it_in_a_later_batch(inbox: Inbox) -> None:
    inbox.take(TELLER.echo(0.5), now=at(0.6))
    assert [e["conversation_id"] for e in inbox.rows("select conversation_id from entries")] == [None]
    inbox.take(TELLER.turn(0, "hello"), now=at(0.7))
    (row,) = inbox.rows("select managed, unmanaged, entries from conversations")
    assert row == {"managed": True, "unmanaged": False, "entries": 2}
    assert inbox.rows("select 1 from entries where conversation_id is null") == []


@pytest.mark.parametrize("failure_first", [False, True])
def test_a_message_of_ours_that_failed_is_no_word_whichever_is_processed_first(
    inbox: Inbox, failure_first: bool
) -> None:
    """They may be on two partitions: the message by its customer, the failure by its conversation."""
    inbox.take(TELLER.turn(0, "hello"), now=at(0))
    (row,) = inbox.rows("select id from conversations")
    about = {"conversation_id": row["id"], "wamid": "wamid.ours", "send_id": uuid4(), "is_claim": False}
    word = TELLER.answered(0.5).model_copy(update=about)
    failure = MessageFailed(
        id=fact_id("failure"), at=at(0.6), sent_at=at(0.6), conversation_id=row["id"], phone_number_id=NUMBER,
        marks="wamid.ours",
    )  # fmt: skip
    for fact in (failure, word) if failure_first else (word, failure):
        inbox.take(fact, now=at(0.7))
    assert [{"managed": False, "unmanaged": True}] == inbox.rows("select managed, unmanaged from conversations")


def test_a_conversation_can_close_and_the_next_one_open_in_the_same_batch(inbox: Inbox) -> None:
    inbox.take(TELLER.turn(0, "hello"), now=at(0))
    inbox.take(
        TELLER.bot_starts(0.1), TELLER.bot_ends(0.2), TELLER.turn(3, "still there?"), TELLER.turn(60, "hi"), now=at(60)
    )
    rows = inbox.rows("select status, reason, previous is not null as linked from conversations order by opened_at")
    assert [tuple(r.values()) for r in rows] == [("c", 1, False), ("c", 7, True), ("a", 7, True)]
    counted = {(r["status"], r["reason"]): r["n"] for r in inbox.rows("select * from unmanaged_counts where n <> 0")}
    assert counted == {("c", 1): 1, ("c", 7): 1, ("a", 7): 1}


@pytest.mark.parametrize("batches", [(4, 1), (3, 2), (2, 3), (5, 0), (1, 4)])
def test_an_answer_belongs_to_the_conversation_of_its_time_even_if_that_is_known_later(
    inbox: Inbox, batches: tuple[int, int]
) -> None:
    """The message that the customer wrote after the bot session arrives last. Until then, the answer to it is part of
    the conversation that the bot ended."""
    bot = FactMaker("bot")
    facts = [bot.turn(0), bot.bot_starts(0.01), bot.bot_ends(0.1), bot.echo(0.5), bot.turn(0.3, "again")]
    for batch in (facts[: batches[0]], facts[batches[0] :]):
        if batch:
            inbox.take(*batch, now=at(1))
    rows = inbox.rows("select status, managed, reason, entries from conversations order by opened_at")
    assert [("c", False, 1, 3), ("a", True, None, 2)] == [tuple(row.values()) for row in rows]
    stored = inbox.rows("select conversation_id, count(*) as n from entries group by 1 order by 1")
    assert [3, 2] == [row["n"] for row in stored]
    counted = inbox.rows("select status, reason, n from unmanaged_counts where n <> 0")
    assert [{"status": "c", "reason": 1, "n": 1}] == counted


def test_the_last_text_follows_edits_and_deletions_whatever_arrives_first(inbox: Inbox) -> None:
    typo, secret = TELLER.turn(0, "Helo"), TELLER.turn(1, "my card is 4111")
    inbox.take(TELLER.edits(0.1, typo, "Hello"), now=at(0.1))
    inbox.take(typo, now=at(0.2))
    assert [{"last_text": "Hello"}] == inbox.rows("select last_text from conversations")
    inbox.take(secret, now=at(1))
    inbox.take(TELLER.deletes(1.1, secret), now=at(1.2))
    assert [{"last_text": None}] == inbox.rows("select last_text from conversations")
    inbox.take(TELLER.turn(2, "1"), now=at(2))
    assert "4111" not in str(inbox.rows("select memory, last_text from conversations"))


def test_an_edit_into_a_choice_queues_the_customer(inbox: Inbox) -> None:
    wrong = TELLER.turn(0, "3")
    inbox.take(wrong, now=at(0))
    inbox.take(TELLER.edits(0.1, wrong, "2"), now=at(0.2))
    (row,) = inbox.rows("select owner_id, reason, entries from conversations")
    assert {"owner_id": "support", "reason": None, "entries": 2} == row


def test_a_deletion_reaches_the_last_text_of_an_earlier_conversation(inbox: Inbox) -> None:
    first = TELLER.turn(0, "oops")
    inbox.take(first, TELLER.turn(40, "hello"), now=at(41))
    inbox.take(TELLER.deletes(45, first), now=at(45))
    rows = inbox.rows("select last_text from conversations order by opened_at")
    assert [None, "hello"] == [row["last_text"] for row in rows]


def test_a_message_is_one_whatever_second_a_repeat_names(inbox: Inbox) -> None:
    turn = TELLER.turn(0, "hello")
    repeat = turn.model_copy(update={"sent_at": at(0.5), "at": at(0.5)})
    inbox.take(turn, repeat, now=at(1))
    inbox.take(repeat, now=at(1.1))
    assert [{"entries": 1}] == inbox.rows("select entries from conversations")
    assert [{"n": 1}] == inbox.rows("select count(*) as n from entries")


def test_a_group_is_on_the_row_with_who_wrote_last(inbox: Inbox) -> None:
    ada = FactMaker(customer=Party(wa_id="393450001041", group_id="g1", name="Ada"))
    bea = FactMaker(customer=Party(wa_id="393450001042", group_id="g1", name="Bea"))
    inbox.take(ada.turn(0, "who orders?"), now=at(0))
    inbox.take(bea.turn(1, "not me"), now=at(1))
    (row,) = inbox.rows("select group_id, last_speaker, customer_name, wa_id from conversations")
    assert {"group_id": "g1", "last_speaker": "Bea", "customer_name": None, "wa_id": None} == row


@pytest.mark.parametrize("typed", ["+39 345 0001041", "1041", "ada", "393450001042", "Bea Bianchi", "IT.7000042", "g1"])
def test_a_group_is_found_by_everybody_who_wrote_in_it(inbox: Inbox, typed: str) -> None:
    ada = FactMaker(customer=Party(wa_id="393450001041", group_id="g1", name="Ada"))
    bea = FactMaker(customer=Party(wa_id="393450001042", user_id="IT.7000042", group_id="g1", name="Bea Bianchi"))
    inbox.take(ada.turn(0, "who orders?"), bea.turn(0.5, "not me"), now=at(1))
    inbox.take(FactMaker(customer=Party(group_id="g1", wa_id="393450001043")).turn(1, "nor I"), now=at(1))
    inbox.take(TELLER.turn(1, "hello"), now=at(1))
    (found,) = page(inbox.connection, UnmanagedFilter(words=tuple(typed.split())), 10).rows
    assert "g1" == found.group_id


def test_an_answer_waits_again_when_an_earlier_message_ends_the_window_before_it(inbox: Inbox) -> None:
    inbox.take(TELLER.unreadable(20), TELLER.echo(30), now=at(30))
    assert [{"managed": True, "reason": None}] == inbox.rows("select managed, reason from conversations")
    inbox.take(TELLER.turn(0, "hello"), now=at(31))
    (row,) = inbox.rows("select managed, reason, entries, window_ends_at from conversations")
    assert {"managed": False, "reason": 7, "entries": 2, "window_ends_at": at(24)} == row
    assert 1 == len(inbox.rows("select 1 from entries where conversation_id is null"))


def test_an_agent_is_found_when_the_desktop_writes_their_id_in_another_case(inbox: Inbox) -> None:
    directory.apply(inbox.connection, COMPANY)
    ready = AgentPresenceChanged(id=fact_id("p"), at=at(0), sent_at=at(0), agent_id=" ANNA", state="ready")
    inbox.take(TELLER.turn(0, "hello"), TELLER.accepted(0.5, "Anna"), ready, now=at(1))
    assert [{"owner_id": "anna"}] == inbox.rows("select owner_id from conversations")
    assert [{"agent_id": "anna"}] == inbox.rows("select agent_id from agent_presence")


def test_an_answer_in_a_group_that_the_desktop_names_belongs_to_the_group(inbox: Inbox) -> None:
    anna = Party(wa_id="16505551234", group_id="g1")
    group, desktop = FactMaker(customer=anna), FactMaker(customer=Party(group_id="g1"))
    inbox.take(group.turn(0, "hello"), TELLER.turn(0, "hi"), desktop.answered(0.5), now=at(1))
    assert [False, True] == [row["managed"] for row in inbox.rows("select managed from conversations order by 1")]


def test_statuses_presence_and_notices_are_stored_and_a_status_never_goes_back(inbox: Inbox) -> None:
    def status(name: str, hour: float) -> MessageStatus:
        return MessageStatus(
            id=fact_id("s", name),
            phone_number_id=NUMBER,
            at=at(hour),
            sent_at=at(hour),
            wamid="w",
            recipient="1",
            status=name,
        )

    inbox.take(status("read", 3), status("sent", 1), now=at(4))
    inbox.take(status("delivered", 2), status("failed", 2.5), now=at(4))
    (row,) = inbox.rows("select rank, succeeded_at > failed_at as succeeded from message_status")
    assert row == {"rank": 3, "succeeded": True}
    presence = [
        AgentPresenceChanged(id=fact_id("p", s), at=at(h), sent_at=at(h), agent_id="anna", state=s)  # type: ignore[arg-type]
        for h, s in ((2, "paused"), (1, "ready"))
    ]
    inbox.take(*presence, now=at(4))
    assert inbox.rows("select state from agent_presence") == [{"state": "paused"}]
    notice = Notice(id=fact_id("n"), at=at(1), sent_at=at(1), account_id="a", field="account_update", body={"x": [1]})
    inbox.take(notice, notice, now=at(4))
    assert inbox.rows("select body from notices") == [{"body": {"x": [1]}}]


def test_a_batch_that_waits_for_a_status_does_not_lock_the_counters_that_all_batches_need(
    inbox: Inbox, database: str
) -> None:
    sent = MessageStatus(
        id=fact_id("s"), phone_number_id=NUMBER, at=at(0), sent_at=at(0), wamid="w", recipient="1", status="sent"
    )
    inbox.take(TELLER.turn(0, "hello"), sent, now=at(0))
    read = sent.model_copy(update={"id": fact_id("r"), "status": "read"})
    other = FactMaker(customer=Party(wa_id="391")).turn(0.1)
    waits = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    with psycopg.connect(database) as holder, psycopg.connect(database, autocommit=True) as third:
        holder.execute("select 1 from message_status for update")
        batch = Thread(target=lambda: inbox.take(other, read, now=at(1)))
        batch.start()
        try:
            wait_until(lambda: third.execute(waits).fetchone() is not None)
            third.execute("select 1 from unmanaged_counts for update nowait")
        finally:
            holder.rollback()
            batch.join()
    assert [row["n"] for row in inbox.rows("select n from unmanaged_counts")] == [2]


def test_an_invalid_record_is_a_dead_letter_and_the_reason_names_the_field(inbox: Inbox) -> None:
    leftover = inbox.take(b'{"kind":"customer_turn","id":"x"}', now=at(0))
    (letter,) = leftover.dead_letters
    assert letter.reason.startswith("customer_turn.id: ")


@pytest.mark.parametrize(
    "wrong",
    [
        {"sent_at": "2026-03-02T10:00:00"},
        {"sent_at": "9999-12-31T23:59:59-12:00"},
        {"sent_at": "0001-01-01T00:00:00+12:00"},
        {"kind": "message_status", "recipient": "1", "status": "deleted"},
        {"kind": "agent_closed", "agent_id": "x" * 2_000_000},
        {"kind": "mail_event", "mail_id": str(fact_id("m")), "type": "sent", "at": "2026-03-02T10:00:00"},
        {"kind": "agent_closed", "agent_id": "anna", "customer": None},
        {"customer": {}},
        {"text": "a\0b"},
        {"extra": {"latitude": float("nan")}},
        {"extra": [[]] * 100_000},
    ],
    ids=lambda wrong: ",".join(f"{key}={str(value)[:40]}" for key, value in wrong.items()),
)
def test_records_that_are_wrong_are_dead_letters_however_many_and_the_rest_of_their_batch_is_processed(
    inbox: Inbox, wrong: dict[str, object]
) -> None:
    """In one go: no record of the batch is processed a second time because of another one."""
    good = json.loads(FACT.dump_json(TELLER.turn(0)))
    bad = [json.dumps(good | wrong).encode()] * 30
    leftover = inbox.take(*bad[:15], TELLER.turn(0.5), *bad[15:], now=at(1))
    assert ([30], []) == ([len(leftover.dead_letters)], leftover.early)
    assert [row["entries"] for row in inbox.rows("select entries from conversations")] == [1]


def test_an_agents_fact_finds_its_conversation_by_id_and_one_with_an_unknown_id_is_early(inbox: Inbox) -> None:
    inbox.take(TELLER.turn(0, "1"), now=at(0))
    (row,) = inbox.rows("select id, owner_kind, owner_id, owner_state from conversations")
    assert (row["owner_kind"], row["owner_id"], row["owner_state"]) == ("s", "sales", "q")
    accepted = TELLER.accepted(30).model_copy(update={"conversation_id": row["id"], "customer": None})
    inbox.take(accepted.model_copy(update={"phone_number_id": None}), now=at(0.5))
    assert inbox.rows("select owner_id, owner_state from conversations") == [{"owner_id": "anna", "owner_state": "x"}]
    nowhere = TELLER.accepted(1).model_copy(update={"conversation_id": fact_id("nowhere"), "customer": None})
    leftover = inbox.take(nowhere, TELLER.turn(1), now=at(1))
    assert ([fact_id("nowhere")], []) == ([early.conversation_id for early in leftover.early], leftover.dead_letters)


def test_a_new_phone_that_meta_reports_joins_the_customers_and_a_reused_phone_does_not(inbox: Inbox) -> None:
    old, new = Party(wa_id="391", user_id="IT.1"), Party(wa_id="392", user_id="IT.2")
    inbox.take(FactMaker(customer=old).turn(0, "my old number"), now=at(0))
    inbox.take(FactMaker(customer=new).turn(1, "my new number"), now=at(1))
    assert len(inbox.rows("select 1 from conversations")) == 2
    base = TELLER.turn(0.9).model_dump(include={"phone_number_id", "at", "sent_at", "wamid"})
    change = CustomerIdentityChanged(id=fact_id("change"), customer=Party(user_id="IT.1"), becomes=new, **base)
    inbox.take(change, now=at(1.1))
    inbox.take(
        FactMaker(customer=new).turn(2, "and on"),
        FactMaker(customer=Party(wa_id="391", user_id="IT.9")).turn(2, "x"),
        now=at(2),
    )
    rows = inbox.rows(
        "select c.last_text, coalesce(u.merged_into, u.id) as root from conversations c "
        "join customers u on u.id = c.customer_id order by c.opened_at"
    )
    assert [r["last_text"] for r in rows] == ["my old number", "and on", "x"]
    assert rows[0]["root"] == rows[1]["root"] != rows[2]["root"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("at", "2026-03-02T10:00:00"),
        ("at", "0001-01-01T00:00:00Z"),
        ("customer", {"wa_id": "3" * 300}),
        ("customer", {"wa_id": "391", "name": "n" * 100_000}),
        ("customer", {}),
        ("phone_number_id", "p" * 10_000),
    ],
)
def test_a_record_that_our_readers_cannot_have_written_is_poison(inbox: Inbox, field: str, value: object) -> None:
    fact = json.loads(FACT.dump_json(TELLER.turn(0, "hello")))
    assert 1 == len(inbox.take(json.dumps({**fact, field: value}).encode(), now=at(0)).dead_letters)


def test_a_change_of_identity_without_identities_is_poison(inbox: Inbox) -> None:
    base = TELLER.turn(0.9).model_dump(include={"phone_number_id", "at", "sent_at", "wamid"})
    change = CustomerIdentityChanged(id=fact_id("c"), customer=Party(), becomes=Party(), **base)
    assert 1 == len(inbox.take(change, now=at(1)).dead_letters)


def test_of_several_copies_of_a_message_the_earliest_arrival_counts_also_if_it_is_processed_later(inbox: Inbox) -> None:
    def copy(text: str, arrived: float) -> object:
        return TELLER.turn(0, text).model_copy(update={"arrival": arrival(at(arrived))})

    inbox.take(copy("1", 0.3), copy("2", 0.2), now=at(1))
    (row,) = inbox.rows("select last_text, owner_id from conversations")
    assert {"last_text": "1", "owner_id": "support"} == row
    inbox.take(copy("1", 0.1), now=at(1))  # the first delivery, from a partition that was behind
    (row,) = inbox.rows("select last_text, owner_id from conversations")
    assert {"last_text": "2", "owner_id": "sales"} == row
    inbox.take(copy("1", 0.4), copy("2", 0.4), now=at(1))
    (row,) = inbox.rows("select last_text, entries from conversations")
    assert {"last_text": "2", "entries": 2} == row
    page = conversation_page(inbox.connection, inbox.rows("select id from conversations")[0]["id"])
    assert page is not None
    assert ["1", "2"] == [item.text for item in page.transcript]


def test_a_webhook_whose_clock_is_a_day_slow_makes_no_message_old(inbox: Inbox) -> None:
    turn = TELLER.turn(24).model_copy(update={"at": at(0) + CLOCK_TOLERANCE, "arrival": arrival(at(0))})
    inbox.take(turn, now=at(24))
    assert [{"opened_at": at(24)}] == inbox.rows("select opened_at from conversations")
