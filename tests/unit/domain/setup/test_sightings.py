"""What a fact shows of the things outside."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from domain.facts import AgentAccepted, AgentMessage, BotSessionStarted, MailEvent, Notice, Party
from domain.ids import fact_id
from domain.inbound.whatsapp.reader import read
from domain.setup.fields import FIELDS
from domain.setup.sightings import Sighting, sightings_in, webhook_notice
from tests.support.payloads import body, raw, value_of

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
WHATSAPP = Sighting("whatsapp")
HEAD: dict[str, Any] = {"id": fact_id("test"), "at": NOW, "sent_at": NOW}


def seen(content: bytes) -> list[Sighting]:
    """What the facts of a body of Meta's show."""
    return [sighting for fact in read(content, NOW).facts for sighting in sightings_in(fact)]


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ("text", "messages"),
        ("reaction", "messages"),
        ("status_read", "messages"),
        ("status_deleted", "messages"),
        ("errors", "messages"),
        ("system_number_changed", "messages"),
        ("echo_text", "smb_message_echoes"),
        ("call_connect", "calls"),
        ("call_terminate", "calls"),
        ("standby_text", "standby"),
        ("control_passed", "messaging_handovers"),
        ("history", "history"),
        ("preference_stop", "user_preferences"),
        ("template_status", "message_template_status_update"),
        ("template_quality", "message_template_quality_update"),
        ("template_category", "template_category_update"),
        ("number_flagged", "phone_number_quality_update"),
        ("capability", "business_capability_update"),
        ("account_disabled", "account_update"),
    ],
)
def test_a_body_of_meta_shows_its_field(payload: str, field: str) -> None:
    found = seen(raw(payload))
    assert WHATSAPP in found
    assert {field} == {each.name for each in found if each.kind == "field"}


def test_a_message_and_an_answer_from_the_app_show_their_number() -> None:
    assert Sighting("message", value_of(body("text"))["metadata"]["phone_number_id"]) in seen(raw("text"))
    assert Sighting("echo", value_of(body("echo_text"))["metadata"]["phone_number_id"]) in seen(raw("echo_text"))
    assert "message" not in {each.kind for each in seen(raw("reaction"))}


def test_every_field_that_is_to_be_ticked_is_recognised_by_its_updates() -> None:
    """A field that is ticked and works must not be shown as missing for ever."""
    for field in FIELDS:
        document = {"entry": [{"id": "1", "time": 1767261600, "changes": [{"field": field, "value": {"x": 1}}]}]}
        assert Sighting("field", field) in seen(json.dumps(document).encode()), field


def test_metas_test_button_is_no_customer() -> None:
    """Its sample names a number that nobody has."""
    document = body("text")
    value_of(document)["metadata"]["phone_number_id"] = "123456123"
    assert [WHATSAPP, Sighting("test")] == seen(json.dumps(document).encode())
    account = {"entry": [{"id": "0", "time": 1, "changes": [{"field": "account_update", "value": {"x": 1}}]}]}
    assert [WHATSAPP, Sighting("test")] == seen(json.dumps(account).encode())


def test_our_own_page_is_no_agent_desktop() -> None:
    accepted = AgentAccepted(**HEAD, agent_id="anna", conversation_id=UUID(int=1))
    assert [Sighting("desktop")] == list(sightings_in(accepted))
    assert [Sighting("desk")] == list(sightings_in(accepted, is_own=True))
    posted = AgentMessage(**HEAD, agent_id="anna", conversation_id=UUID(int=1), text="hi", send_id=UUID(int=2))
    assert [] == list(sightings_in(posted))


def test_a_bot_a_mail_and_what_ses_says_besides_are_seen() -> None:
    bot = BotSessionStarted(**HEAD, phone_number_id="1", customer=Party(wa_id="2"), session_id="s")
    assert [Sighting("softbot")] == list(sightings_in(bot))
    assert [Sighting("ses")] == list(sightings_in(MailEvent(**HEAD, mail_id=UUID(int=1), type="sent")))
    greeting = Notice(**HEAD, account_id="arn", field="ses.greeting", body={})
    assert [Sighting("ses")] == list(sightings_in(greeting))
    unknown = Notice(**HEAD, account_id="1", field="a field of next year", body={})
    assert [] == list(sightings_in(unknown))


def test_what_the_webhook_tells_is_read_again_and_nothing_else() -> None:
    assert [Sighting("handshake")] == list(sightings_in(webhook_notice("handshake", NOW)))
    forged = webhook_notice("handshake", NOW).model_copy(update={"body": {"event": "anything"}})
    assert [] == list(sightings_in(forged))


def test_webhooks_that_tell_the_same_within_a_minute_tell_it_once() -> None:
    same, later = NOW.replace(second=40), NOW.replace(minute=1)
    first = webhook_notice("whatsapp_refused", NOW).id
    assert first == webhook_notice("whatsapp_refused", same).id
    assert first != webhook_notice("whatsapp_refused", later).id
    assert first != webhook_notice("handshake", NOW).id
