"""The customer of an update (webhooks.md, Who is the customer)."""

import json
from typing import Any

import pytest

from domain.facts import CustomerIdentityChanged, CustomerSignal, CustomerTurn, Notice, Party
from domain.inbound.whatsapp.parties import MAX_NAME_LENGTH
from domain.inbound.whatsapp.reader import read
from tests.support.payloads import NEW_PHONE, NEW_USER_ID, PHONE, RECEIVED, USER_ID, body, value_of

ANNA = {"wa_id": PHONE, "user_id": USER_ID, "profile": {"name": "Anna"}}
BRUNO = {"wa_id": NEW_PHONE, "user_id": NEW_USER_ID, "profile": {"name": "Bruno"}}
KNOWN_CUSTOMER = Party(wa_id=PHONE, user_id=USER_ID, name="Anna")


def customer(sender: dict[str, Any], *contacts: object) -> Party | None:
    """Returns the customer of a text with this sender and these contacts; None if it is unreadable without a
    customer."""
    document = body("text")
    value = value_of(document)
    message = {key: part for key, part in value["messages"][0].items() if key != "from"}
    value["messages"] = [message | sender]
    value["contacts"] = list(contacts)
    reading = read(json.dumps(document).encode(), RECEIVED)
    if reading.unreadable:
        assert ["messages: from is missing or invalid"] == [part.reason for part in reading.unreadable]
        return None
    (turn,) = reading.facts
    assert isinstance(turn, CustomerTurn)
    return turn.customer


@pytest.mark.parametrize("contacts", [(ANNA, BRUNO), (BRUNO, ANNA)])
def test_a_contact_is_found_by_id_whatever_its_position(contacts: tuple[object, ...]) -> None:
    assert customer({"from": PHONE}, *contacts) == KNOWN_CUSTOMER
    assert customer({"from_user_id": USER_ID}, *contacts) == KNOWN_CUSTOMER
    assert customer({"from": "", "from_user_id": USER_ID}, *contacts) == KNOWN_CUSTOMER
    assert customer({"from": USER_ID}, *contacts) == KNOWN_CUSTOMER


def test_a_contact_is_found_by_another_variant_of_its_phone_and_the_updates_variant_is_used() -> None:
    contact = {**ANNA, "wa_id": "551187654321"}
    assert customer({"from": "5511987654321"}, contact) == Party(wa_id="5511987654321", user_id=USER_ID, name="Anna")


def test_a_contact_is_found_by_the_parent_of_its_user_id() -> None:
    parent = {"parent_user_id": "IT.ENT.1"}
    assert customer({"from_parent_user_id": "IT.ENT.1"}, ANNA | parent, BRUNO) == KNOWN_CUSTOMER
    assert customer({"from_parent_user_id": "IT.ENT.1"}, BRUNO, ANNA) == Party(user_id="IT.ENT.1")


def test_without_a_contact_the_customer_has_the_ids_of_the_message() -> None:
    assert customer({"from": PHONE, "from_user_id": USER_ID}) == Party(wa_id=PHONE, user_id=USER_ID)
    assert customer({"from": PHONE}, BRUNO) == Party(wa_id=PHONE)
    assert customer({"from_user_id": USER_ID}, BRUNO) == Party(user_id=USER_ID)


@pytest.mark.parametrize(
    "sender", [{}, {"from": ""}, {"from": " "}, {"from": None, "from_user_id": True}, {"from": 447}]
)
def test_a_message_without_a_sender_uses_the_only_contact(sender: dict[str, Any]) -> None:
    assert customer(sender, ANNA) == KNOWN_CUSTOMER
    assert customer(sender, ANNA, ANNA) == KNOWN_CUSTOMER
    assert customer(sender, ANNA, BRUNO) is None
    assert customer(sender, {}) is None
    assert customer(sender) is None


def test_a_contact_with_another_user_id_is_not_used_for_a_phone_that_changed_hands() -> None:
    assert customer({"from": PHONE, "from_user_id": NEW_USER_ID}, ANNA) == Party(wa_id=PHONE, user_id=NEW_USER_ID)


@pytest.mark.parametrize(
    "contacts",
    [
        (ANNA, {"wa_id": PHONE, "profile": {"name": "A."}}),
        ({"wa_id": PHONE, "profile": {"name": "A."}}, ANNA),
        ({"wa_id": PHONE, "user_id": USER_ID}, {"wa_id": f"+{PHONE}", "profile": {"name": "Anna"}}, BRUNO),
        ({"user_id": USER_ID, "profile": {"name": "Anna"}}, {"wa_id": PHONE, "user_id": USER_ID}),
    ],
)
def test_contacts_of_one_phone_that_do_not_contradict_each_other_are_one(contacts: tuple[object, ...]) -> None:
    assert KNOWN_CUSTOMER == customer({"from": PHONE, "from_user_id": USER_ID}, *contacts)
    assert contacts[-1] is not BRUNO or KNOWN_CUSTOMER == customer({"from": PHONE}, *contacts)
    assert contacts[-1] is BRUNO or KNOWN_CUSTOMER == customer({}, *contacts)


def test_two_contacts_of_one_phone_with_different_user_ids_are_both_ignored() -> None:
    assert customer({"from": PHONE}, ANNA, BRUNO | {"wa_id": PHONE}) == Party(wa_id=PHONE)


@pytest.mark.parametrize(
    ("contact", "name"),
    [
        ({"profile": {"name": "Anna", "username": "anna.r"}}, "Anna"),
        ({"profile": {"name": "", "username": "anna.r"}}, "anna.r"),
        ({"profile": {"username": "anna.r"}}, "anna.r"),
        ({"username": "anna.r"}, "anna.r"),
        ({"profile": {"name": 5}}, None),
        ({"profile": "Anna"}, None),
        ({"profile": {"name": "x" * 300}}, "x" * MAX_NAME_LENGTH),
    ],
)
def test_the_name_is_the_profile_name_or_else_the_username(contact: dict[str, Any], name: str | None) -> None:
    assert customer({"from": PHONE}, {"wa_id": PHONE} | contact) == Party(wa_id=PHONE, name=name)


def test_long_ids_are_shortened_for_the_index_and_stay_distinct() -> None:
    one, other = customer({"from": "x" * 10_000}), customer({"from": "x" * 10_001})
    assert one is not None and other is not None
    assert (256, 256) == (len(one.wa_id or ""), len(other.wa_id or ""))
    assert one != other


def system(message: dict[str, Any], **more: Any) -> object:
    document = body("system_number_changed")
    value = value_of(document)
    sent = {key: part for key, part in value["messages"][0].items() if key != "from"}
    value["messages"] = [sent | more | {"system": message}]
    (fact,) = read(json.dumps(document).encode(), RECEIVED).facts
    match fact:
        case CustomerIdentityChanged():
            return fact.customer, fact.becomes
        case CustomerSignal():
            return fact.customer
        case _:
            return fact


NUMBER_CHANGE = {"type": "user_changed_number"}
ID_CHANGE = {"type": "user_changed_user_id"}


@pytest.mark.parametrize(
    ("message", "sender", "was", "becomes"),
    [
        (
            NUMBER_CHANGE | {"wa_id": NEW_PHONE, "user_id": NEW_USER_ID, "previous_user_id": USER_ID},
            {"from": PHONE},
            Party(wa_id=PHONE, user_id=USER_ID),
            Party(wa_id=NEW_PHONE, user_id=NEW_USER_ID),
        ),
        (
            NUMBER_CHANGE | {"wa_id": NEW_PHONE, "user_id": NEW_USER_ID},
            {"from": PHONE, "from_user_id": USER_ID},
            Party(wa_id=PHONE, user_id=USER_ID),
            Party(wa_id=NEW_PHONE, user_id=NEW_USER_ID),
        ),
        (
            NUMBER_CHANGE | {"wa_id": NEW_PHONE, "customer": PHONE},
            {"from": NEW_PHONE},
            Party(wa_id=PHONE),
            Party(wa_id=NEW_PHONE),
        ),
        (
            NUMBER_CHANGE | {"wa_id": PHONE, "new_wa_id": NEW_PHONE},
            {},
            Party(wa_id=PHONE),
            Party(wa_id=NEW_PHONE),
        ),
        (
            {"type": "customer_changed_number", "new_wa_id": NEW_PHONE},
            {"from": PHONE},
            Party(wa_id=PHONE),
            Party(wa_id=NEW_PHONE),
        ),
        (
            ID_CHANGE | {"user_id": NEW_USER_ID, "previous_user_id": USER_ID, "wa_id": PHONE},
            {"from": PHONE},
            Party(user_id=USER_ID),
            Party(wa_id=PHONE, user_id=NEW_USER_ID),
        ),
        (
            ID_CHANGE | {"previous_user_id": USER_ID},
            {"from_user_id": NEW_USER_ID},
            Party(user_id=USER_ID),
            Party(user_id=NEW_USER_ID),
        ),
        (
            NUMBER_CHANGE | {"wa_id": NEW_USER_ID, "customer": USER_ID},
            {"from": USER_ID},
            Party(user_id=USER_ID),
            Party(user_id=NEW_USER_ID),
        ),
    ],
)
def test_a_system_message_has_the_old_and_the_new_identity(
    message: dict[str, Any], sender: dict[str, Any], was: Party, becomes: Party
) -> None:
    assert system(message, **sender) == (was, becomes)


@pytest.mark.parametrize(
    ("message", "sender", "customer"),
    [
        (NUMBER_CHANGE, {"from": PHONE}, Party(wa_id=PHONE)),
        (NUMBER_CHANGE | {"wa_id": NEW_PHONE}, {}, Party(wa_id=NEW_PHONE)),
        (NUMBER_CHANGE | {"wa_id": PHONE}, {"from": PHONE}, Party(wa_id=PHONE)),
        ({"type": "something_new", "wa_id": NEW_PHONE}, {"from": PHONE}, Party(wa_id=PHONE)),
    ],
)
def test_a_system_message_without_both_identities_is_a_signal(
    message: dict[str, Any], sender: dict[str, Any], customer: Party
) -> None:
    assert system(message, **sender) == customer


@pytest.mark.parametrize("message", [{"type": "something_new"}, NUMBER_CHANGE, {}])
def test_a_system_message_without_a_customer_is_a_notice(message: dict[str, Any]) -> None:
    assert isinstance(system(message), Notice)
