"""Customers whose phone or user id changes hands, on a real database: rows, transcripts and lists say who it is."""

from collections.abc import Iterator
from itertools import permutations, product
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from domain.arrival import arrival
from domain.conversations.conversation import fact_ref
from domain.conversations.customers.identities import phone_identity
from domain.facts import ConversationFact, CustomerIdentityChanged, CustomerTurn, Party
from domain.ids import fact_id
from infra.postgres import directory
from infra.postgres.lists.conversation_page import conversation_page
from infra.postgres.sending.recipients import customers_at
from tests.support.inbox import Inbox
from tests.support.stories import DIRECTORY, NUMBER, FactMaker, at

A, B, C = "393450001001", "393450001002", "393450001003"


@pytest.fixture
def inbox(database: str) -> Iterator[Inbox]:
    with psycopg.connect(database, autocommit=True) as connection:
        with connection.transaction():
            directory.apply(connection, DIRECTORY)
        yield Inbox(connection)


def by(phone: str | None = None, name: str | None = None, user_id: str | None = None) -> FactMaker:
    return FactMaker(customer=Party(wa_id=phone, user_id=user_id, name=name))


def changed(hour: float, old: Party, new: Party) -> CustomerIdentityChanged:
    return CustomerIdentityChanged(
        id=fact_id("change", str(hour), str(old), str(new)),
        phone_number_id=NUMBER,
        at=at(hour),
        sent_at=at(hour),
        arrival=arrival(at(hour)),
        wamid=f"wamid.change.{hour}",
        customer=old,
        becomes=new,
    )


def moved(hour: float, old: str = A, new: str = B) -> CustomerIdentityChanged:
    return changed(hour, Party(wa_id=old), Party(wa_id=new))


def told(inbox: Inbox, *batches: ConversationFact | tuple[ConversationFact, ...], hour: float = 2) -> None:
    for batch in batches:
        inbox.take(*(batch if isinstance(batch, tuple) else (batch,)), now=at(hour))


def conversations(inbox: Inbox) -> list[dict[str, Any]]:
    """Each conversation: who, where they are reached, what they said, and whether it is on the list."""
    found = []
    for row in inbox.rows(
        "select id, wa_id, user_id, customer_name, unmanaged from conversations order by opened_at, id"
    ):
        page = conversation_page(inbox.connection, row["id"])
        assert page is not None
        said = [item.text for item in page.transcript if item.speaker == "customer"]
        found.append({"phone": row["wa_id"], "name": row["customer_name"], "said": said, "listed": row["unmanaged"]})
    return found


GINA_SAYS = by(A, "Gina").turn(0, "my address is via Roma 5")
STRANGER_SAYS = by(A, "Stranger").turn(1, "hello, I am new here")
CHANGE = moved(0.5)
APART = [
    {"phone": B, "name": "Gina", "said": ["my address is via Roma 5"], "listed": True},
    {"phone": A, "name": "Stranger", "said": ["hello, I am new here"], "listed": True},
]


@pytest.mark.parametrize("order", list(permutations([GINA_SAYS, CHANGE, STRANGER_SAYS])))
def test_who_writes_from_the_old_phone_is_another_customer_whenever_the_change_is_told(
    inbox: Inbox, order: tuple[ConversationFact, ...]
) -> None:
    told(inbox, *order)
    assert APART == conversations(inbox)


def test_the_same_in_one_batch(inbox: Inbox) -> None:
    told(inbox, (STRANGER_SAYS, GINA_SAYS, CHANGE, CHANGE))
    assert APART == conversations(inbox)


@pytest.mark.parametrize("days", [0, 3])
def test_a_change_that_is_told_days_late_gives_the_stranger_a_conversation_of_their_own(
    inbox: Inbox, days: int
) -> None:
    stranger, gina = (
        by(A, "Stranger").turn(24 * days + 1, "I have a question"),
        by(B, "Gina").turn(24 * days + 2, "back"),
    )
    told(inbox, GINA_SAYS, stranger, gina, CHANGE, hour=24 * days + 3)
    said = {(c["phone"], line) for c in conversations(inbox) for line in c["said"]}
    assert {(B, "my address is via Roma 5"), (A, "I have a question"), (B, "back")} == said
    assert {"I have a question"} == {line for c in conversations(inbox) if c["phone"] == A for line in c["said"]}


def test_rows_give_the_new_phone_as_soon_as_meta_reports_it(inbox: Inbox) -> None:
    told(inbox, GINA_SAYS, CHANGE)
    assert [B] == [c["phone"] for c in conversations(inbox)]
    events = [h["event"] for h in inbox.rows("select event from history order by sequence")]
    assert ["opened", "became_unmanaged", "customer_changed", "became_unmanaged"] == events


def test_an_older_message_that_arrives_after_the_change_is_the_customer_s_and_is_answered_at_the_new_phone(
    inbox: Inbox,
) -> None:
    told(inbox, CHANGE, by(A, "Gina").turn(0.25, "late"), GINA_SAYS)
    assert [
        {"phone": B, "name": "Gina", "said": ["my address is via Roma 5", "late"], "listed": True}
    ] == conversations(inbox)


def test_an_answer_to_the_old_phone_is_no_answer_to_the_customer(inbox: Inbox) -> None:
    told(inbox, GINA_SAYS, by(A).echo(1), by(A).answered(1), CHANGE)
    assert [(B, True)] == [(c["phone"], c["listed"]) for c in conversations(inbox)]
    told(inbox, by(B).echo(1.5))
    assert [(B, False)] == [(c["phone"], c["listed"]) for c in conversations(inbox)]


def test_a_user_id_that_the_customer_kept_names_them_also_from_the_old_phone(inbox: Inbox) -> None:
    told(
        inbox,
        by(A, "Gina", "IT.1").turn(0, "one"),
        changed(0.5, Party(wa_id=A, user_id="IT.1"), Party(wa_id=B)),
        by(A, "Gina", "IT.1").turn(1, "two"),
        by(A, "Stranger").turn(1.1, "three"),
    )
    assert [["one", "two"], ["three"]] == [c["said"] for c in conversations(inbox)]


@pytest.mark.parametrize("hers", [None, "IT.1"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_who_came_to_the_old_phone_with_a_user_id_is_another_customer_whenever_the_change_is_told(
    inbox: Inbox, order: tuple[int, ...], hers: str | None
) -> None:
    facts: list[ConversationFact] = [
        by(A, "Gina", hers).turn(0, "one"),
        by(A, "Stranger", "IT.9").turn(1, "two"),
        CHANGE,
    ]
    told(inbox, *(facts[place] for place in order), by(B, "Gina").turn(1.5, "three"), by(A).turn(1.6, "four"))
    assert {(B, "one"), (B, "three"), (A, "two"), (A, "four")} == {
        (c["phone"], line) for c in conversations(inbox) for line in c["said"]
    }


@pytest.mark.parametrize("hers", [None, "IT.1"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_new_user_id_with_a_new_phone_is_the_customer_s_also_if_meta_does_not_say_so(
    inbox: Inbox, order: tuple[int, ...], hers: str | None
) -> None:
    facts: list[ConversationFact] = [by(A, "Gina", hers).turn(0, "one"), by(B, "Gina", "IT.2").turn(1, "two"), CHANGE]
    told(inbox, *(facts[place] for place in order), by(B, "Gina").turn(1.5, "three"))
    roots = inbox.rows(
        "select distinct coalesce(u.merged_into, u.id) as root from entries e "
        "join customers u on u.id = e.customer_id where e.kind = 'customer_turn'"
    )
    assert 1 == len(roots)
    assert {"one", "two", "three"} == {line for c in conversations(inbox) for line in c["said"]}


def test_a_changed_user_id_ends_too(inbox: Inbox) -> None:
    change = changed(0.5, Party(user_id="IT.1"), Party(user_id="IT.2"))
    told(inbox, by(user_id="IT.1", name="Gina").turn(0, "one"), by(user_id="IT.1", name="X").turn(1, "two"), change)
    told(inbox, by(user_id="IT.2", name="Gina").turn(1.5, "three"))
    assert [["one", "three"], ["two"]] == [c["said"] for c in conversations(inbox)]
    assert ["IT.2", "IT.1"] == [
        r["user_id"] for r in inbox.rows("select user_id from conversations order by opened_at")
    ]


def test_who_returns_to_the_old_phone_is_the_same_customer(inbox: Inbox) -> None:
    back = moved(1, B, A)
    for order in ([CHANGE, back], [back, CHANGE]):
        told(inbox, *order)
    told(inbox, GINA_SAYS, by(B, "Gina").turn(0.75, "from B"), by(A, "Gina").turn(1.5, "from A"))
    assert [(A, ["my address is via Roma 5", "from B", "from A"])] == [
        (c["phone"], c["said"]) for c in conversations(inbox)
    ]


def test_what_was_decided_stays_where_it_was_and_the_history_says_what_happened(inbox: Inbox) -> None:
    told(inbox, GINA_SAYS, by(A, "Gina").answered(0.1), by(A, "Gina").agent_closes(0.2))
    told(inbox, by(A, "Stranger").turn(1, "1"))  # queued for sales, as if Gina had asked
    told(inbox, CHANGE)
    (gina, stranger) = inbox.rows("select id, wa_id, owner_id, managed from conversations order by opened_at")
    assert (B, None, True) == (gina["wa_id"], gina["owner_id"], gina["managed"])
    assert (A, "sales") == (stranger["wa_id"], stranger["owner_id"])
    history = [
        row["event"]
        for row in inbox.rows("select conversation_id, event, because, actor from history order by sequence")
        if row["conversation_id"] == stranger["id"]
    ]
    assert ["opened", "queued", "customer_changed", "queued"] == history
    # both go on as customers of their own
    told(inbox, by(A, "Stranger").turn(1.5, "hello?"), by(B, "Gina").turn(1.6, "me again"))
    assert [["my address is via Roma 5"], ["1", "hello?"], ["me again"]] == [c["said"] for c in conversations(inbox)]


@pytest.mark.parametrize("order", list(permutations([GINA_SAYS, CHANGE, STRANGER_SAYS, by(B, "Gina").turn(1.5, "me")])))
def test_no_conversation_is_left_without_a_message(inbox: Inbox, order: tuple[ConversationFact, ...]) -> None:
    told(inbox, *order)
    assert all(c["said"] for c in conversations(inbox))
    assert {(B, "my address is via Roma 5"), (B, "me"), (A, "hello, I am new here")} == {
        (c["phone"], line) for c in conversations(inbox) for line in c["said"]
    }


def test_what_cannot_be_read_is_with_who_sent_it(inbox: Inbox) -> None:
    told(inbox, by(A).unreadable(1), CHANGE)
    assert [A] == [c["phone"] for c in conversations(inbox)]
    gina, stranger = by(C, "Gina").unreadable(0.1), by(C, "Stranger").turn(1, "hello")
    told(inbox, gina, stranger, moved(0.5, C, "393450001004"))
    assert [("393450001004", [None]), (C, ["hello"])] == [
        (c["phone"], c["said"]) for c in conversations(inbox) if c["phone"] != A
    ]


def test_an_answer_to_the_customer_who_left_is_no_answer_to_who_came(inbox: Inbox) -> None:
    told(inbox, by(A).echo(0.99), by(A, "Stranger").turn(1, "hello"), moved(0.995))
    assert [(A, ["hello"], True)] == [(c["phone"], c["said"], c["listed"]) for c in conversations(inbox)]


def test_an_answer_that_names_the_conversation_stays_with_it(inbox: Inbox) -> None:
    told(inbox, GINA_SAYS)
    (row,) = inbox.rows("select id from conversations")
    told(inbox, by(A).answered(1).model_copy(update={"conversation_id": row["id"]}), CHANGE)
    assert [(B, False)] == [(c["phone"], c["listed"]) for c in conversations(inbox)]


def test_a_report_that_comes_again_moves_nothing(inbox: Inbox) -> None:
    told(inbox, GINA_SAYS, STRANGER_SAYS, CHANGE)
    before = inbox.rows("select * from history order by conversation_id, sequence")
    told(inbox, CHANGE, (CHANGE, GINA_SAYS, STRANGER_SAYS))
    assert before == inbox.rows("select * from history order by conversation_id, sequence")
    assert APART == conversations(inbox)


def test_a_message_to_a_phone_is_for_who_has_it_now(inbox: Inbox) -> None:
    """What is sent to the old phone is no answer to the customer who left it: it would go to their new phone."""
    told(inbox, GINA_SAYS, CHANGE)
    (gina,) = inbox.rows("select id from conversations")
    assert {B: gina["id"]} == _latest(inbox)
    told(inbox, STRANGER_SAYS)
    (stranger,) = inbox.rows(f"select id from conversations where wa_id = '{A}'")
    assert {A: stranger["id"], B: gina["id"]} == _latest(inbox)


def _latest(inbox: Inbox) -> dict[str, UUID]:
    """The conversation that a message to each phone answers."""
    found = customers_at(inbox.connection, {phone_identity(NUMBER, phone) for phone in (A, B)})
    return {key.value: known.conversation_id for key, known in found.items()}


PHONES = (A, B, C)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("turn"), st.sampled_from([(phone,) for phone in PHONES]), st.integers(0, 6), st.integers(0, 2)
        ),
        st.tuples(
            st.just("change"),
            st.sampled_from([(old, new) for old, new in product(PHONES, repeat=2) if old != new]),
            st.integers(0, 6),
            st.integers(0, 2),
        ),
    ),
    min_size=2,
    max_size=8,
    unique_by=lambda step: step[2:],
)


@settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(STEPS, st.data())
def test_every_message_is_with_the_customer_who_had_the_phone_then_whatever_is_told_when(
    inbox: Inbox, steps: list[tuple[str, tuple[str, ...], int, int]], data: st.DataObject
) -> None:
    number = str(uuid4())
    facts = [_fact(number, *step) for step in steps]
    told_in_order = data.draw(st.permutations(facts))
    cut = data.draw(st.integers(0, len(facts)))
    for batch in (told_in_order[:cut], *([fact] for fact in told_in_order[cut:]), facts):
        told(inbox, tuple(batch), hour=200)
    found: dict[object, set[str]] = {}
    for row in inbox.rows(
        "select coalesce(w.merged_into, w.id) as root, coalesce(v.merged_into, v.id) as of_conversation, e.body "
        "from entries e join customers w on w.id = e.customer_id join conversations c on c.id = e.conversation_id "
        f"join customers v on v.id = c.customer_id where e.kind = 'customer_turn' and c.phone_number_id = '{number}'"
    ):
        assert row["root"] == row["of_conversation"]
        found.setdefault(row["root"], set()).add(row["body"])
    assert sorted(map(sorted, _people(facts))) == sorted(map(sorted, found.values()))
    assert [] == inbox.rows(
        f"select id from conversations c where phone_number_id = '{number}' and not exists "
        "(select from entries e where e.conversation_id = c.id and e.kind = 'customer_turn')"
    )


def _fact(number: str, kind: str, phones: tuple[str, ...], step: int, place: int) -> ConversationFact:
    """A turn or a change; steps are ten hours apart, and up to three facts have the same second."""
    when = {"at": at(10 * step), "sent_at": at(10 * step), "arrival": arrival(at(10 * step), place)}
    if kind == "turn":
        text = f"{step}.{place}"
        return FactMaker(number, Party(wa_id=phones[0])).turn(10 * step, text).model_copy(update=when)
    report = changed(10 * step, Party(wa_id=phones[0]), Party(wa_id=phones[1]))
    return report.model_copy(
        update={**when, "phone_number_id": number, "id": fact_id(number, str(phones), str(step), str(place))}
    )


def _people(facts: list[ConversationFact]) -> list[set[str]]:
    """What each person wrote, followed from one fact to the next."""
    said: dict[int, set[str]] = {}
    has = {phone: n for n, phone in enumerate(PHONES)}
    touched: dict[str, tuple[str, str, int] | None] = dict.fromkeys(PHONES)
    for n, fact in enumerate(sorted(facts, key=fact_ref), start=10):
        if isinstance(fact, CustomerIdentityChanged):
            old, new = str(fact.customer.wa_id), str(fact.becomes.wa_id)
            last = touched[old]
            if last is None or last != touched[new] or last[:2] != (old, new):
                has[new], has[old] = has[old], n
            touched[old] = touched[new] = (old, new, n)
        elif isinstance(fact, CustomerTurn):
            said.setdefault(has[str(fact.customer.wa_id)], set()).add(str(fact.text))
    return list(said.values())
