"""The conversation in which a customer answered the template of a transfer on reply shows that template."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from domain.facts import Party
from infra.postgres.lists import conversation_parts
from infra.postgres.lists.conversation_page import conversation_page
from infra.postgres.lists.conversation_parts import conversation_part
from tests.support.promises import PHONE, Promises, open_promises
from tests.support.stories import FactMaker

ASKED = ("template", "Hello Ada, may we call you?")


@pytest.fixture
def shop(database: str) -> Iterator[Promises]:
    with open_promises(database) as shop:
        shop.office.connection.autocommit = True
        yield shop


def transcript(shop: Promises, conversation: UUID) -> list[tuple[str, str | None]]:
    """Returns kind and text of each item, which page and mail show."""
    page = conversation_page(shop.office.connection, conversation)
    assert page is not None
    return [(item.kind, item.text) for item in page.transcript]


def test_an_answer_stands_behind_the_template_that_was_answered(shop: Promises) -> None:
    """What the customer wrote before it went out stands in front of it, and so does every transcript of another
    conversation without it."""
    shop.promised()
    answer = shop.customer_writes("never mind", hours_ago=1)
    shop.customer_writes("yes please")
    assert [("text", "never mind"), ASKED, ("text", "yes please")] == transcript(shop, answer)
    assert [("text", "hello there")] == transcript(shop, shop.closed)


def test_it_says_how_far_the_template_got(shop: Promises) -> None:
    shop.promised()
    shop.meta_reports("read", "wamid.1", shop.graph.callback(0))
    page = conversation_page(shop.office.connection, shop.customer_writes())
    assert page is not None
    assert ["read", None] == [item.status for item in page.transcript]


def test_only_the_part_with_the_answer_has_the_template(shop: Promises, monkeypatch: Any) -> None:
    monkeypatch.setattr(conversation_parts, "PART", 2)
    shop.promised()
    answer = shop.customer_writes("yes")
    maker, now = FactMaker(customer=Party(wa_id=PHONE)), shop.office.hours_ago(0)
    later = (maker.turn(now + n, f"n{n}") for n in (1, 2))
    shop.office.process(*(turn.model_copy(update={"arrival": place}) for place, turn in enumerate(later, 1)))
    newest = conversation_part(shop.office.connection, answer)
    assert newest is not None
    first = conversation_part(shop.office.connection, answer, before=newest.first)
    assert first is not None
    assert [["n1", "n2"], ["Hello Ada, may we call you?", "yes"]] == [
        [item.text for item in part.transcript] for part in (newest, first)
    ]


def test_a_template_that_the_customer_did_not_wait_for_is_not_shown(shop: Promises) -> None:
    """They wrote first, so it was recalled."""
    shop.promise()
    assert [("text", "I found it")] == transcript(shop, shop.customer_writes("I found it"))


def test_a_template_that_was_not_answered_is_not_shown(shop: Promises) -> None:
    shop.promised()
    shop.ends_in(-1)
    assert [("text", "yes please")] == transcript(shop, shop.customer_writes())
