"""What channels are sent about alarms."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from uuid import UUID

from domain.alarms.kinds import AlarmKind
from domain.alarms.notices import AlarmNotice, card_body, inert, mail_body, signature, text_body

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
NOTICE = AlarmNotice(
    UUID(int=7), AlarmKind.DEAD_LETTERS, "", {"count": 3}, "began", AT, url="https://console.example/alarms"
)


def test_a_text_says_what_is_wrong_what_to_do_and_where_to_look() -> None:
    """Slack and Mattermost read `text`; a service of one's own reads the rest."""
    body = text_body(NOTICE)
    what, cure, url = body["text"].split("\n")
    assert what == "\N{LARGE ORANGE CIRCLE} Records that could not be processed wait for a decision: 3"
    assert cure.startswith("Look at witiop dead-letters list")
    assert url == "https://console.example/alarms"
    assert body["alarm"] == {
        "id": str(UUID(int=7)),
        "kind": "dead_letters",
        "key": "",
        "level": "amber",
        "change": "began",
        "at": "2026-11-30T12:00:00Z",
        "url": "https://console.example/alarms",
    }


def test_the_end_of_an_alarm_asks_for_nothing() -> None:
    text = text_body(replace(NOTICE, change="ended"))["text"]
    assert text.split("\n") == [
        "\N{WHITE HEAVY CHECK MARK} Over: Records that could not be processed wait for a decision: 3",
        "https://console.example/alarms",
    ]


def test_a_card_is_a_message_with_one_adaptive_card() -> None:
    body = card_body(NOTICE)
    (attachment,) = body["attachments"]
    assert body["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert [block["type"] for block in attachment["content"]["body"]] == ["TextBlock", "TextBlock"]
    assert attachment["content"]["actions"][0]["url"] == "https://console.example/alarms"
    assert "actions" not in card_body(replace(NOTICE, url=""))["attachments"][0]["content"]


def test_the_name_of_a_customer_calls_nobody_and_links_nowhere() -> None:
    """A customer chooses their name: a chat would read its mark-up."""
    name = "<!channel> @all [win](https://evil.example) `x`\n*bold*"
    assert inert(name) == "!channel @\u200ball win https:\u200b//evil.example x bold"
    text = text_body(replace(NOTICE, customer=name))["text"]
    assert "<!channel>" not in text
    assert len(text.split("\n")) == 4


def test_the_signature_is_that_of_our_own_webhooks() -> None:
    body = json.dumps(text_body(NOTICE)).encode()
    assert signature(b"secret", body) == "sha256=" + hmac.new(b"secret", body, hashlib.sha256).hexdigest()


def test_a_mail_names_its_delivery_and_has_the_same_words() -> None:
    raw = mail_body(NOTICE, ("Zefiro", "witiop@example.com"), ["team@example.com"], AT, "en")
    mail = message_from_bytes(raw, policy=policy.default)
    assert mail["To"] == "team@example.com"
    assert mail["Idempotency-Key"] == str(UUID(int=7))
    assert mail["Subject"] == "\N{LARGE ORANGE CIRCLE} Records that could not be processed wait for a decision: 3"
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert "witiop dead-letters replay" in plain.get_content()
