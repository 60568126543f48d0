"""One body per shape that Meta sends, and the facts in it."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

import pytest

from domain.arrival import arrival
from domain.facts import (
    AccountChanged,
    CustomerIdentityChanged,
    CustomerSignal,
    CustomerTurn,
    Fact,
    HumanEcho,
    MarketingPreference,
    MessageStatus,
    Notice,
    NumberChanged,
    Party,
    TemplateChanged,
    ThreadControlPassed,
)
from domain.ids import FactId, fact_id
from domain.inbound.reading import BodyReading
from domain.inbound.whatsapp.reader import read
from domain.messages.received import AdReferral
from tests.support.payloads import (
    ACCOUNT,
    NAME,
    NAMES,
    NEW_PHONE,
    NEW_USER_ID,
    NUMBER,
    PHONE,
    RECEIVED,
    SENT,
    SHOWN,
    USER_ID,
    body,
    raw,
    value_of,
    without_arrival,
)

Item = dict[str, Any]
Expected = Callable[[str, Item], Fact]
"""Returns the expected fact for (the name of a body, an update in it)."""

ANNA = Party(wa_id=PHONE, name=NAME)
KNOWN = Party(wa_id=PHONE, user_id=USER_ID, name=NAME)


def _message(item: Item, family: str = "message", *more: str, after: int = 0) -> dict[str, Any]:
    sent_at = SENT + timedelta(seconds=after)
    wamid = item["id"]
    return {
        "id": fact_id(family, NUMBER, wamid, *more),
        "phone_number_id": NUMBER,
        "sent_at": sent_at,
        "at": sent_at,
        "wamid": wamid,
    }


def _fields(item: Item, fields: str) -> Item:
    return {key: item[key] for key in fields.split()}


def turn(
    kind: str, text: str | None, fields: str = "", customer: Party = ANNA, after: int = 0, **more: Any
) -> Expected:
    return lambda _, item: CustomerTurn(
        **_message(item, after=after),
        **_parts(kind, item),
        type=kind,
        text=text,
        customer=customer,
        extra=_fields(item, fields),
        referral=_referral(item),
        **more,
    )


def _parts(kind: str, item: Item) -> dict[str, Any]:
    """The file and the quoted message, as the body has them. The bodies' hashes are no real ones."""
    names = {"filename": "file_name"}
    file = item.get(kind) if kind in ("image", "audio", "video", "document", "sticker") else None
    known = ("id", "mime_type", "filename", "caption", "voice")
    media = {names.get(key, key): file[key] for key in known if key in file} if file else None
    return {"media": media, "quotes": item.get("context", {}).get("id")}


def _referral(item: Item) -> AdReferral | None:
    if "referral" not in item:
        return None
    referral = item["referral"]
    known = ("source_type", "source_id", "source_url", "headline", "body")
    return AdReferral(**{key: referral[key] for key in known if key in referral}, click_id=referral.get("ctwa_clid"))


def reply(kind: str, text: str, option_id: str, fields: str, customer: Party = ANNA) -> Expected:
    return turn(kind, text, fields, customer, is_reply=True, option_id=option_id)


def signal(
    kind: str,
    text: str | None,
    fields: str,
    customer: Party = ANNA,
    family: str = "message",
    after: int = 0,
    **more: Any,
) -> Expected:
    return lambda _, item: CustomerSignal(
        **_message(item, family, after=after),
        type=kind,
        text=text,
        customer=customer,
        extra=_fields(item, fields),
        **more,
    )


def call(fact: type[CustomerTurn] | type[CustomerSignal], event: str, fields: str) -> Expected:
    return lambda _, item: fact(
        **_message(item, "call", event), type="call", text=None, customer=KNOWN, extra=_fields(item, fields)
    )


def echo(text: str, customer: Party, fields: str = "") -> Expected:
    return lambda _, item: HumanEcho(
        **_message(item), type="text", text=text, customer=customer, extra=_fields(item, fields)
    )


def changed(was: Party, becomes: Party) -> Expected:
    return lambda _, item: CustomerIdentityChanged(
        **_message(item), text=item["system"]["body"], customer=was, becomes=becomes, extra=_fields(item, "system")
    )


def status(value: str, code: int | None = None) -> Expected:
    return lambda _, item: MessageStatus(
        id=fact_id("status", item["id"], value, PHONE),
        phone_number_id=NUMBER,
        at=SENT,
        sent_at=SENT,
        wamid=item["id"],
        recipient=PHONE,
        status=value,
        code=code,
        codes=() if code is None else (code,),
        recipient_user_id=item.get("recipient_user_id"),
        pricing=item.get("pricing"),
        callback=item.get("biz_opaque_callback_data"),
    )


def notice(
    field: str, after: int = 0, number: str | None = NUMBER, key: Callable[[Item], FactId] | None = None
) -> Expected:
    """`after`: seconds after SENT. Without a `key` the id is a hash of the content, which other tests check."""

    def expected(name: str, item: Item) -> Notice:
        at = SENT + timedelta(seconds=after)
        read_again = [fact for fact in read(raw(name), RECEIVED).facts if isinstance(fact, Notice)]
        return Notice(
            id=key(item) if key else next(fact.id for fact in read_again if fact.field == field and fact.body == item),
            at=at,
            sent_at=at,
            account_id=ACCOUNT,
            phone_number_id=number,
            field=field,
            body=item,
        )

    return expected


def preference(customer: Party, *, wants: bool, after: int = 0) -> Expected:
    at = SENT + timedelta(seconds=after)
    return lambda name, _: MarketingPreference(
        id=_only(name, MarketingPreference).id,
        phone_number_id=NUMBER,
        at=at,
        sent_at=at,
        customer=customer,
        wants=wants,
    )


def template(language: str, aspect: Literal["status", "quality", "category"], value: str) -> Expected:
    return of_account(TemplateChanged, name="visit_reminder", language=language, aspect=aspect, value=value)


def of_account(kind: type[TemplateChanged | NumberChanged | AccountChanged], **fields: Any) -> Expected:
    return lambda name, _: kind.model_validate(
        {"id": _only(name, kind).id, "at": SENT, "sent_at": SENT, "account_id": ACCOUNT, **fields}
    )


def _only(name: str, kind: type[Fact]) -> Fact:
    """The only fact of a kind in a body, whose id is a hash, which other tests check."""
    (fact,) = (fact for fact in read(raw(name), RECEIVED).facts if isinstance(fact, kind))
    return fact


def old_message(after: int = 0) -> Expected:
    return notice("history", after, key=lambda item: fact_id("history", NUMBER, item["id"]))


def control_passed(_: str, item: Item) -> ThreadControlPassed:
    (fact,) = read(raw("control_passed"), RECEIVED).facts
    return ThreadControlPassed(
        id=fact.id, phone_number_id=NUMBER, at=SENT, sent_at=SENT, customer=Party(wa_id=PHONE), extra=item
    )


ARRIVAL = int((RECEIVED - SENT).total_seconds())

SHAPES: dict[str, list[Expected]] = {
    # messages that count as a turn
    "text": [turn("text", "Do you repair espresso machines?")],
    "text_product_enquiry": [turn("text", "Do you have this in blue?", "context")],
    "text_from_ad": [turn("text", "I saw your ad", "referral")],
    "text_reply": [turn("text", "The second one", "context", KNOWN)],
    "text_forwarded": [turn("text", "Look at this", "context", KNOWN)],
    "text_contact_of_another": [turn("text", "Passing this on", "context", Party(wa_id=PHONE))],
    "text_contact_without_profile": [turn("text", "Your code is 000000", "", Party(wa_id=PHONE))],
    "text_user_ids": [turn("text", "Are you open on Sunday?", "", KNOWN)],
    "text_user_id_and_parent": [turn("text", "Hello, it is me", "from_parent_user_id", KNOWN)],
    "text_user_id_only": [turn("text", "¿Cuánto cuesta?", "", Party(user_id=USER_ID, name=NAME))],
    "text_user_id_as_phone": [turn("text", "No phone, thanks", "", Party(user_id=USER_ID, name=NAME))],
    "text_in_group": [turn("text", "Who comes on Monday?", "", Party(wa_id=PHONE, group_id="group-0001", name=NAME))],
    "image": [turn("image", "The broken handle", "image")],
    "image_with_url": [turn("image", None, "image", KNOWN)],
    "audio_voice": [turn("audio", None, "audio")],
    "audio_without_url": [turn("audio", None, "audio", KNOWN)],
    "video": [turn("video", "It makes this noise", "video")],
    "document": [turn("document", "The invoice", "document")],
    "sticker": [turn("sticker", None, "sticker")],
    "location": [turn("location", "Caffè Roma, Via Roma 1, Torino", "location")],
    "contacts": [turn("contacts", "Bruno Bianchi", "contacts")],
    "contacts_without_company": [turn("contacts", "Carla Verdi", "contacts")],
    "order": [turn("order", "For Friday\n3 × kettle-01\n1 × cup-07", "order")],
    "interactive_button_reply": [reply("interactive", "Book a visit", "book-visit", "context interactive")],
    "interactive_list_reply": [reply("interactive", "Express", "express", "context interactive")],
    "interactive_list_reply_user_ids": [reply("interactive", "Second row", "row-2", "context interactive", KNOWN)],
    "interactive_flow_reply": [turn("interactive", "Sent", "context interactive", KNOWN)],
    "interactive_call_permission": [turn("interactive", "accept", "context interactive", KNOWN)],
    "template_quick_reply": [reply("button", "No more offers", "No more offers", "context button")],
    "template_quick_reply_without_context": [reply("button", "Yes, please", "yes-please", "button", KNOWN)],
    "call_connect": [call(CustomerTurn, "connect", "event direction session")],
    # messages that only appear in the transcript
    "call_terminate": [call(CustomerSignal, "terminate", "event direction status duration")],
    "reaction": [signal("reaction", "🎉", "reaction", marks="wamid.ours")],
    "reaction_removed": [signal("reaction", None, "reaction", marks="wamid.ours")],
    "reaction_removed_empty": [signal("reaction", None, "reaction", KNOWN, marks="wamid.ours")],
    "unsupported_edit": [signal("unsupported", None, "unsupported errors")],
    "unsupported_poll": [signal("unsupported", None, "unsupported errors", KNOWN, unreadable="content")],
    "unsupported_without_type": [signal("unsupported", None, "errors", unreadable="untyped")],
    "edit_image": [signal("edit", "The other handle", "edit", Party(wa_id=PHONE), marks="wamid.theirs")],
    "revoke": [signal("revoke", None, "revoke", KNOWN, marks="wamid.theirs")],
    "system_identity_changed": [signal("system", "The security code changed", "system identity")],
    "standby_text": [signal("text", "Is anybody there?", "", Party(wa_id=PHONE), family="standby", standby_turn=True)],
    # identity changes
    "system_number_changed": [changed(Party(wa_id=PHONE), Party(wa_id=NEW_PHONE))],
    "system_number_changed_customer": [changed(Party(wa_id=PHONE), Party(wa_id=NEW_PHONE))],
    "system_number_changed_new_wa_id": [changed(Party(wa_id=PHONE), Party(wa_id=NEW_PHONE))],
    "system_user_id_changed": [changed(Party(wa_id=PHONE, user_id=USER_ID), Party(user_id=NEW_USER_ID))],
    # people, and Meta's AI agent
    "echo_text": [echo("We are open until seven", Party(wa_id=PHONE))],
    "echo_text_user_ids": [echo("It is on its way", KNOWN, "to_parent_user_id")],
    "control_passed": [control_passed],
    # statuses
    "status_sent_plain": [status("sent")],
    "status_sent_message_pricing": [status("sent")],
    "status_sent_business_initiated": [status("sent")],
    "status_sent_with_our_data": [status("sent")],
    "status_delivered_conversation_pricing": [status("delivered")],
    "status_delivered_authentication": [status("delivered")],
    "status_delivered_username": [status("delivered")],
    "status_delivered_user_ids": [status("delivered")],
    "status_read": [status("read")],
    "status_played": [status("played")],
    "status_failed_ecosystem": [status("failed", 131049)],
    "status_failed_experiment": [status("failed", 130472)],
    "status_failed_window_closed": [status("failed", 131047)],
    "status_deleted": [notice("statuses", key=lambda item: fact_id("status", item["id"], "deleted", PHONE))],
    # what customers want, and what Meta says of our accounts
    "preference_stop": [preference(Party(wa_id=PHONE), wants=False)],
    "preference_resume": [preference(KNOWN, wants=True)],
    "template_status": [template("it", "status", "APPROVED")],
    "template_quality": [template("en_US", "quality", "YELLOW")],
    "template_category": [template("en_US", "category", "MARKETING")],
    "number_throughput": [of_account(NumberChanged, phone=SHOWN, event="THROUGHPUT_UPGRADE", throughput=1000)],
    "number_flagged": [of_account(NumberChanged, phone=SHOWN, event="FLAGGED", quality="RED", people_per_day=10_000)],
    "capability": [of_account(AccountChanged, event="CAPABILITY_UPDATE", people_per_day=2000)],
    "account_deleted": [of_account(AccountChanged, event="ACCOUNT_DELETED")],
    "account_disabled": [of_account(AccountChanged, event="DISABLED_UPDATE", detail="REINSTATE")],
    "account_restricted": [
        of_account(AccountChanged, event="ACCOUNT_RESTRICTION", detail="RESTRICTED_BIZ_INITIATED_MESSAGING")
    ],
    # notices
    "errors": [notice("errors", ARRIVAL)],
    "account_verified": [notice("account_update", number=None)],
    "template_category_announced": [notice("template_category_update", number=None)],
    "unknown_field": [notice("automatic_events", ARRIVAL, number=None)],
    "history": [old_message(), old_message(after=1), notice("history", ARRIVAL)],
    # several updates in one body
    "batch_two_entries": [turn("text", "One thing"), turn("text", "And another", after=1)],
    "batch_two_messages": [
        turn("text", "Thank you"),
        signal("reaction", "👋", "reaction", after=1, marks="wamid.ours"),
    ],
    "batch_two_changes": [turn("text", "No more offers, please"), preference(ANNA, wants=False, after=1)],
}


def updates(document: Item) -> list[Item]:
    """Returns the updates of a body, without using the reader under test."""
    found: list[Item] = []
    for entry in document["entry"]:
        for change in entry["changes"]:
            value = change["value"]
            arrays = [
                value.get(name, [])
                for name in ("messages", "statuses", "errors", "calls", "message_echoes", "user_preferences")
            ]
            several = [item for array in arrays for item in array]
            several += value.get("standby", {}).get("messages", [])
            for chunk in value.get("history", []):
                several += [item for thread in chunk["threads"] for item in thread["messages"]]
                several.append({"metadata": chunk["metadata"]})
            found += several or [value]
    return found


def test_every_body_has_expected_facts() -> None:
    assert sorted(SHAPES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_update_of_a_body_becomes_its_expected_fact(name: str) -> None:
    expected = [fact(name, item) for fact, item in zip(SHAPES[name], updates(body(name)), strict=True)]
    reading = read(raw(name), RECEIVED)
    assert BodyReading(expected, []) == BodyReading(without_arrival(reading.facts), reading.unreadable)


def test_the_updates_of_a_body_arrive_in_the_order_in_which_it_lists_them() -> None:
    document = body("text")
    (text,) = value_of(document)["messages"]
    value_of(document)["messages"] = [text | {"id": f"wamid.{n}"} for n in range(3)]
    facts = read(json.dumps(document).encode(), RECEIVED).facts
    assert [(f"wamid.{place}", arrival(RECEIVED, place)) for place in range(3)] == [
        (fact.wamid, fact.arrival) for fact in facts if isinstance(fact, CustomerTurn)
    ]
