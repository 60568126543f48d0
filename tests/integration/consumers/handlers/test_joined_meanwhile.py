"""A customer writes while another consumer joins that customer with another one: the message belongs to both, and
nobody else changes their conversations in between."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psycopg
import pytest

from consumers.batches.poison import RetryBatch
from consumers.workers.timer import Timer
from domain.facts import ConversationFact, CustomerIdentityChanged, Party
from domain.ids import customer_id, fact_id
from tests.support.office import Office, open_office
from tests.support.stories import NUMBER, FactMaker
from tests.support.waiting import wait_until

STAYS, JOINED = (Party(user_id=id_) for id_ in sorted(("IT.1", "IT.2"), key=lambda id_: customer_id(NUMBER, "u", id_)))


def meta_joins(office: Office, one: Party, other: Party) -> CustomerIdentityChanged:
    turn = FactMaker(customer=one).turn(office.hours_ago(0.5))
    known = turn.model_dump(include={"phone_number_id", "at", "sent_at", "wamid"})
    return CustomerIdentityChanged(id=fact_id("change"), customer=one, becomes=other, **known)


@pytest.mark.parametrize(("waits", "writes"), [(STAYS, JOINED), (JOINED, STAYS)])
def test_a_message_belongs_to_both_of_two_customers_who_were_joined_while_it_waited(
    database: str, waits: Party, writes: Party
) -> None:
    """One of the two waits in a queue, and the other one writes."""
    folded, may_commit = Event(), Event()

    def write(consumer: Office) -> None:
        with consumer.connection.transaction():
            consumer.process(FactMaker(customer=writes).turn(consumer.hours_ago(0.1), "it is me"))
            folded.set()
            assert may_commit.wait(20)

    with (
        open_office(database) as office,
        open_office(database) as joining,
        open_office(database) as consumer,
        psycopg.connect(database, autocommit=True) as watching,
        ThreadPoolExecutor(1) as thread,
    ):
        office.process(FactMaker(customer=waits).turn(office.hours_ago(1), "1"))
        office.process(FactMaker(customer=writes).signal(office.hours_ago(1)))
        office.presence("anna", "ready")
        with joining.connection.transaction():
            joining.process(meta_joins(joining, waits, writes))
            written = thread.submit(write, consumer)
            wait_until(lambda: watching.execute("select from pg_locks where not granted").fetchall())
        assert folded.wait(20)
        assert 0 == office.routing.poll()
        may_commit.set()
        written.result()

        assert 1 == office.routing.poll()
        ((conversation, text),) = [(row["id"], row["last_text"]) for row in office.rows("select * from conversations")]
        assert "it is me" == text
        history = office.history(conversation)
        assert ["opened", "queued", "customer_changed", "queued", "assigned"] == [event for event, *_ in history]
        assert 0 == Timer(office.connection.transaction_of, office.topics).close_due()


GINA, STRANGER, NEW = (Party(wa_id=f"39345000100{n}", name=name) for n, name in enumerate(("Gina", "Stranger", "Gina")))


@pytest.mark.parametrize("known", [[], [GINA], [NEW], [GINA, NEW]])
@pytest.mark.parametrize("report_first", [True, False])
def test_a_message_from_a_new_phone_is_the_customer_s_although_the_change_is_reported_meanwhile(
    database: str, known: list[Party], report_first: bool
) -> None:
    """Two consumers see the new phone at the same moment: one in Meta's report, one in a message."""

    def process(consumer: Office, fact: ConversationFact) -> None:
        while True:
            try:
                with consumer.connection.transaction():
                    consumer.process(fact)
                return
            except RetryBatch:
                continue

    with (
        open_office(database) as office,
        open_office(database) as first,
        open_office(database) as second,
        psycopg.connect(database, autocommit=True) as watching,
        ThreadPoolExecutor(1) as thread,
    ):
        for party in known:
            office.process(FactMaker(customer=party).signal(office.hours_ago(1)))
        facts: list[ConversationFact] = [
            meta_joins(office, GINA, NEW),
            FactMaker(customer=NEW).turn(office.hours_ago(0.1), "my new number"),
        ]
        one, other = facts if report_first else facts[::-1]
        with first.connection.transaction():
            first.process(one)
            processed = thread.submit(process, second, other)
            wait_until(lambda: watching.execute("select from pg_locks where not granted").fetchall())
        processed.result(timeout=20)

        office.process(FactMaker(customer=GINA).turn(office.hours_ago(0.8), "my old number"))
        said = office.rows("select customer_id, wa_id, last_text, entries from conversations")
        assert [(NEW.wa_id, "my new number")] == [(row["wa_id"], row["last_text"]) for row in said]
