"""What others learn of a transfer on reply: that it was promised, and what became of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from domain.sending.sends import Refused
from domain.wishes.document import WISH_EVENTS
from domain.wishes.wish import wish_id
from tests.support.promises import Promises, open_promises
from witiop.contract.generate import schemas

PREFIX = "witiop.transfer_on_reply."


@pytest.fixture
def shop(database: str) -> Iterator[Promises]:
    with open_promises(database) as shop:
        yield shop


def events(shop: Promises) -> list[tuple[str, dict[str, Any]]]:
    """Returns name and data of each event since the last command was carried out."""
    rows = shop.office.rows("select key, headers, value from outbox where topic = 'witiop.messages.v1' order by id")
    found = [(row["headers"]["ce_type"], json.loads(bytes(row["value"])), row["key"]) for row in rows]
    ours = [(type_, data, key) for type_, data, key in found if type_.startswith(PREFIX)]
    schema = Draft202012Validator(schemas()["witiop.transfer_on_reply.v1"])
    assert all(schema.is_valid(data) and key == data["conversation_id"] for _, data, key in ours)
    return [(type_.removeprefix(PREFIX).removesuffix(".v1"), data) for type_, data, _ in ours]


def ends_as(shop: Promises, name: str) -> None:
    """Lets the promise end by this event."""
    office = shop.office
    match name:
        case "expired":
            shop.ends_in(-1)
            office.timer.end_wishes()
        case "cancelled":
            office.results_of(office.command("recall", {"deferred_id": str(wish_id("p"))}))
        case "template_failed":
            shop.answers(Refused(131026, "Meta's error 131026"))
            shop.post_all()
            office.timer.end_wishes()
        case "superseded":
            shop.post_all()
            conversation = shop.customer_writes("never mind", hours_ago=1)
            office.results_of(office.transfer(conversation, "user", "ben", "exclusive"))
            shop.customer_writes("yes")
        case "opted_out":
            shop.post_all()
            shop.customer_writes("stop")
        case _:
            shop.post_all()
            shop.customer_writes("yes")


@pytest.mark.parametrize("name", [name for name in WISH_EVENTS if name != "requested"])
def test_the_last_event_says_what_became_of_the_promise(shop: Promises, name: str) -> None:
    shop.promise()
    ((requested, promised),) = events(shop)
    assert ("requested", "waiting", None) == (requested, promised["state"], promised["executed_in"])
    shop.office.connection.execute("delete from outbox")
    shop.office.set_watermark("0 s")
    ends_as(shop, name)
    ((last, data),) = events(shop)
    because = None if name == "executed" else name
    state = "executed" if name == "executed" else "ended"
    assert (name, state, because) == (last, data["state"], data["ended_because"])
    assert promised["id"] == data["id"]
    assert (data["executed_in"] is not None) == (name == "executed")


def test_no_event_has_what_was_written_or_who_the_customer_is(shop: Promises) -> None:
    shop.promised()
    shop.customer_writes("yes please")
    text = json.dumps(events(shop))
    assert not any(secret in text for secret in ("Ada", "may we call", "yes please", "16505551234"))


def test_a_refused_command_makes_no_event(shop: Promises) -> None:
    shop.promised("p1")
    shop.promise("p2")
    assert [] == events(shop)
