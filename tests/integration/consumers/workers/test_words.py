"""The words of messages, on a real database: a search finds a conversation by any of its messages, soon after they were
processed, and by none that is gone."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from consumers.workers.words import MessageWords
from domain.conversations.reasons import Reason
from domain.facts import AgentAccepted, AgentMessage, BotMessage, CustomerIdentityChanged, CustomerTurn, Party
from domain.ids import fact_id
from domain.routing.supervision import Supervision
from infra.postgres.connections.hints import CHANGES, ChangeHints
from infra.postgres.connections.pool import connect
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.lists.console import page
from infra.postgres.lists.unmanaged import ListedConversation, UnmanagedFilter
from infra.postgres.words import progress
from infra.postgres.words.matching import with_found_messages
from tests.support.office import Office, open_office
from tests.support.stories import NUMBER, FactMaker, at

ADA, BOB = "16505551234", "16505559999"


class SearchRoom:
    """An office, and a process that fills words. Each look of it is ten minutes after the one before."""

    def __init__(self, office: Office, dsn: str) -> None:
        self.office = office
        self.dsn = dsn
        self._seconds = 0.0
        self.words = self.another_process()

    def another_process(self) -> MessageWords:
        return MessageWords(self.office.connection.transaction_of, self._clock, walk_again=timedelta(0))

    def _clock(self) -> float:
        self._seconds += 600
        return self._seconds

    def follow(self) -> None:
        """Reads what changed of active conversations, and edits."""
        while self.words.follow():
            pass

    def walk(self) -> None:
        """Walks through all conversations."""
        while self.words.walk():
            pass

    def found(self, typed: str, **which: object) -> list[UUID]:
        return [row.id for row in self.rows(typed, **which)]

    def rows(self, typed: str, **which: object) -> list[ListedConversation]:
        words = tuple(typed.split())
        with connect(self.dsn, "test", autocommit=True, generic_plans=True) as connection:
            shown = page(connection, UnmanagedFilter(words=words, **which), 10)  # type: ignore[arg-type]
            assert not shown.cut
            return with_found_messages(connection, shown.rows, words)

    def writes(self, *texts: str, phone: str = ADA, hours_ago: float = 2) -> tuple[UUID, list[CustomerTurn]]:
        """Processes messages of a customer, a minute apart."""
        maker = FactMaker(customer=Party(wa_id=phone))
        turns = [maker.turn(self.office.hours_ago(hours_ago) + n / 60, text) for n, text in enumerate(texts)]
        self.office.process(*turns)
        (row,) = self.office.rows(
            f"select id from conversations where wa_id = '{phone}' order by opened_at desc limit 1"
        )
        return row["id"], turns


@pytest.fixture
def room(database: str) -> Iterator[SearchRoom]:
    with open_office(database) as office:
        yield SearchRoom(office, database)


def test_a_conversation_is_found_by_any_message_of_both_sides_and_the_row_shows_which(room: SearchRoom) -> None:
    ada, _ = room.writes("My Réfund is late", "Hello?", "Anybody?")
    room.office.process(
        BotMessage.model_validate(
            {**FactMaker().bot(room.office.hours_ago(1.9)).model_dump(), "text": "Your parcel left Lisbon"}
        )
    )
    room.writes("something else", "Hello?", phone=BOB)
    assert [] == room.found("refund")
    room.follow()
    assert [ada] == room.found("refund") == room.found("lisbon anybody") == room.found("REFUND 5551234")
    (by_customer,), (by_us,) = room.rows("refund"), room.rows("lisbon")
    assert by_customer.found is not None
    assert by_us.found is not None
    assert [("My ", False), ("Réfund", True), (" is late", False)] == [*map(tuple, by_customer.found.pieces)]
    assert (True, False) == (by_customer.found.by_customer, by_us.found.by_customer)
    assert [None, None] == [row.found for row in room.rows("anybody") + room.rows("hello 6505559999")]


def test_a_search_of_messages_keeps_to_the_filters_and_to_what_is_supervised(room: SearchRoom) -> None:
    active, _ = room.writes("refund", "hello")
    closed, _ = room.writes("refund", "hello", phone=BOB, hours_ago=30)
    while room.office.timer.close_due():
        pass
    room.follow()
    room.walk()
    assert {active, closed} == {*room.found("refund")}
    assert ([active], [closed]) == (room.found("refund", status="active"), room.found("refund", status="closed"))
    assert [] == room.found("refund", number="another") == room.found("refund", status="dismissed")
    reason = room.rows("refund")[0].reason
    assert reason is not None
    other = next(each for each in Reason if each is not reason)
    assert {active, closed} == {*room.found("refund", reason=reason)}
    assert [] == room.found("refund", reason=other)
    supervised, others = Supervision(("sales",), (), (NUMBER,)), Supervision(("sales",), (), ("another",))
    assert {active, closed} == {*room.found("refund", within=supervised)}
    assert [] == room.found("refund", within=others)


def test_a_message_that_comes_late_to_a_closed_conversation_is_found_after_a_walk(room: SearchRoom) -> None:
    gone, _ = room.writes("hello", hours_ago=30)
    while room.office.timer.close_due():
        pass
    room.follow()
    room.walk()
    room.office.process(FactMaker(customer=Party(wa_id=ADA)).turn(room.office.hours_ago(30.5), "the invoice"))
    conversations = {row["id"] for row in room.office.rows("select id from conversations")}
    assert len(conversations) == 1 or gone not in conversations
    while room.words.walk_recent():
        pass
    assert conversations == {*room.found("invoice")}


def test_an_edit_is_found_by_its_new_words_only_and_a_deletion_by_none(room: SearchRoom) -> None:
    ada, (first, *_) = room.writes("my password is swordfish", "hello")
    room.follow()
    assert [ada] == room.found("swordfish")
    maker = FactMaker(customer=Party(wa_id=ADA))
    room.office.process(maker.edits(room.office.hours_ago(1.5), first, "my password is a secret"))
    room.follow()
    assert ([], [ada]) == (room.found("swordfish"), room.found("secret"))
    room.office.process(maker.deletes(room.office.hours_ago(1), first))
    assert [None] == [row.found for row in room.rows("secret")]  # its text is not shown from then on
    room.follow()
    assert ([], [ada]) == (room.found("secret"), room.found("hello"))


def test_what_is_edited_and_deleted_in_the_next_conversation_is_forgotten_in_the_one_before(room: SearchRoom) -> None:
    before, (first, *_) = room.writes("swordfish", "hello", hours_ago=40)
    while room.office.timer.close_due():
        pass
    room.walk()
    assert [before] == room.found("swordfish")
    room.writes("good morning", hours_ago=1)
    maker = FactMaker(customer=Party(wa_id=ADA))
    room.office.process(maker.edits(room.office.hours_ago(0.7), first, "a secret"))
    room.follow()
    assert ([], [before]) == (room.found("swordfish"), room.found("secret"))
    room.office.process(maker.deletes(room.office.hours_ago(0.5), first))
    room.follow()
    assert [] == room.found("secret")


def test_an_edit_before_its_message_is_known_with_it(room: SearchRoom) -> None:
    maker = FactMaker(customer=Party(wa_id=ADA))
    late = maker.turn(room.office.hours_ago(2), "swordfish")
    room.office.process(maker.edits(room.office.hours_ago(1.9), late, "a secret"))
    room.follow()
    ada, _ = room.writes("hello", hours_ago=1.8)
    room.office.process(late)
    room.follow()
    assert ([], [ada]) == (room.found("swordfish"), room.found("secret"))


def test_what_leaves_the_list_or_is_erased_has_no_words(room: SearchRoom) -> None:
    answered, _ = room.writes("refund", "hello")
    erased, _ = room.writes("refund", "hello", phone=BOB)
    room.follow()
    room.office.desktop_reports(AgentAccepted, "anna", answered)
    room.office.desktop_reports(AgentMessage, "anna", answered)
    for table, key in (("entries", "conversation_id"), ("conversations", "id")):
        room.office.connection.execute(f"delete from {table} where {key} = %s", [erased])
    room.follow()
    assert [] == room.office.rows("select * from conversation_words")
    room.office.connection.execute(
        "insert into conversation_words values (%s, '1', 1, 1, 1, true, now(), 'gone')", [erased]
    )
    room.walk()
    assert [] == room.office.rows("select * from conversation_words")


def test_customers_who_are_joined_keep_the_words_of_both(room: SearchRoom) -> None:
    room.writes("refund", "hello")
    room.writes("invoice", "hello", phone=BOB, hours_ago=1)
    room.follow()
    now = at(room.office.hours_ago(0.5))
    room.office.process(
        CustomerIdentityChanged(
            id=fact_id("change"),
            at=now,
            sent_at=now,
            phone_number_id=NUMBER,
            customer=Party(wa_id=ADA),
            wamid="change",
            becomes=Party(wa_id=BOB),
        )
    )
    room.follow()
    room.walk()
    written = {
        word: {
            row["conversation_id"]
            for row in room.office.rows(
                f"select e.conversation_id from entries e join conversations c on c.id = e.conversation_id "
                f"where body = '{word}' and c.unmanaged"
            )
        }
        for word in ("refund", "invoice")
    }
    assert all(written.values())
    assert written == {word: {*room.found(word)} for word in written}


def test_what_was_there_before_is_read_in_the_background_the_latest_first(
    room: SearchRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(5):
        room.writes("refund", "hello", phone=f"3930055501{n}", hours_ago=30 + n)
    while room.office.timer.close_due():
        pass
    opened = [row["opened_at"] for row in room.office.rows("select opened_at from conversations order by id desc")]
    monkeypatch.setattr("consumers.workers.words._WALKED", 2)
    assert progress.freshness(room.office.connection).complete_since is not None
    assert room.words.walk()
    known = progress.freshness(room.office.connection)
    assert known.searched_until is None
    assert known.complete_since is not None
    assert abs(known.complete_since - opened[1]) < timedelta(seconds=1)
    assert 2 == len(room.found("refund"))
    room.words = room.another_process()  # goes on where that one was
    assert room.words.walk()
    assert 4 == len(room.found("refund"))
    room.walk()
    room.follow()
    assert 5 == len(room.found("refund"))
    known = progress.freshness(room.office.connection)
    assert (None, False) == (known.complete_since, known.is_late)


def test_of_two_processes_one_works_and_the_other_goes_on_when_it_dies(room: SearchRoom) -> None:
    ada, _ = room.writes("refund", "hello")
    with psycopg.connect(room.dsn) as other:
        assert progress.lock(other)
        room.follow()
        room.walk()
        assert [] == room.found("refund")
        assert progress.freshness(room.office.connection).searched_until is None
    room.follow()
    assert [ada] == room.found("refund")


def test_the_page_learns_how_far_the_search_has_come(room: SearchRoom) -> None:
    room.follow()
    assert not progress.freshness(room.office.connection).is_late
    room.office.connection.execute("update words_progress set searched_until = now() - interval '10 min'")
    room.writes("refund", "hello")
    assert progress.freshness(room.office.connection).is_late
    room.follow()
    assert not progress.freshness(room.office.connection).is_late


def test_while_nothing_changes_it_is_noted_rarely_and_wakes_nobody(room: SearchRoom) -> None:
    """What pages keep is valid until the database changes."""
    room.writes("refund", "hello")
    with closing(DatabaseSession(room.dsn, "test")) as session, closing(ChangeHints(room.dsn, CHANGES)) as hints:
        words = MessageWords(session.transaction, lambda: 1.0)
        while words.follow() or words.walk_recent() or words.walk():
            pass
        hints.wait(0.1)
        snapshot = room.office.rows("select pg_snapshot_xmax(pg_current_snapshot())::text as xmax")
        assert not (words.follow() or words.walk_recent() or words.walk())
        assert snapshot == room.office.rows("select pg_snapshot_xmax(pg_current_snapshot())::text as xmax")
        assert not hints.wait(0.1)
