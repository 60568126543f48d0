"""The typed parts of a message: its file, the message that it quotes, and the advertisement that it came from."""

import base64
import hashlib
import json
from typing import Any

import pytest

from domain.facts import FACT, CustomerTurn
from domain.inbound.whatsapp.parts import media_of, referral_of, sha256_of
from domain.messages.received import AdReferral, ReceivedMedia
from infra.postgres.conversations import entries
from tests.support.whatsapp import message

DIGEST = hashlib.sha256(b"a photo")


def test_a_document_says_all_that_meta_says_of_it() -> None:
    file = {
        "id": "550000000000004",
        "mime_type": "application/pdf",
        "filename": "invoice.pdf",
        "caption": "The invoice",
        "sha256": base64.b64encode(DIGEST.digest()).decode(),
        "url": "https://lookaside.example.com/?mid=1",
    }
    turn = message(type="document", text=None, document=file, context={"id": "wamid.quoted"})
    assert isinstance(turn, CustomerTurn)
    assert turn.media == ReceivedMedia(
        id="550000000000004",
        mime_type="application/pdf",
        file_name="invoice.pdf",
        caption="The invoice",
        sha256=DIGEST.hexdigest(),
    )
    assert "wamid.quoted" == turn.quotes


@pytest.mark.parametrize(
    ("kind", "file", "seconds", "voice"),
    [
        ("audio", {"id": "1", "voice": True, "duration": 12}, 12, True),
        ("voice", {"id": "1", "duration": 3.7}, 3, True),
        ("video", {"id": "1", "duration": -1}, None, False),
        ("video", {"id": "1", "duration": True, "voice": "yes"}, None, False),
    ],
)
def test_a_recording_has_a_duration_if_meta_says_it(
    kind: str, file: dict[str, Any], seconds: int | None, voice: bool
) -> None:
    media = media_of(kind, {kind: file})
    assert media is not None
    assert (seconds, voice) == (media.seconds, media.voice)


@pytest.mark.parametrize(
    "id_", [None, "", 5, "../441", "1/messages", "1?fields=x", "1%2F2", "a b", "1\n", "x" * 129, {"id": "1"}]
)
def test_a_file_whose_id_cannot_be_asked_for_is_none_and_the_message_is_still_a_turn(id_: object) -> None:
    """The id becomes part of an address: one that could lead elsewhere is never asked for."""
    turn = message(type="image", text=None, image={"id": id_, "caption": "Look"})
    assert isinstance(turn, CustomerTurn)
    assert (None, "Look") == (turn.media, turn.text)


@pytest.mark.parametrize("kind", ["text", "location", "contacts", "interactive", "order"])
def test_other_kinds_have_no_file(kind: str) -> None:
    assert media_of(kind, {kind: {"id": "1"}}) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (DIGEST.hexdigest().upper(), DIGEST.hexdigest()),
        (base64.b64encode(DIGEST.digest()).decode(), DIGEST.hexdigest()),
        (base64.b64encode(b"short").decode(), None),
        ("not base64!", None),
        ("é", None),
        (7, None),
        (None, None),
    ],
)
def test_a_hash_is_read_in_both_forms(value: object, expected: str | None) -> None:
    assert expected == sha256_of(value)


def test_long_names_are_shortened() -> None:
    media = media_of("document", {"document": {"id": "1", "filename": "x" * 5000}})
    assert media is not None
    assert "x" * 256 == media.file_name


def test_the_advertisement_that_a_customer_came_from() -> None:
    referral = {"source_type": "ad", "source_id": "7", "headline": "Write to us", "ctwa_clid": "click", "body": 5}
    turn = message(referral=referral)
    assert isinstance(turn, CustomerTurn)
    assert turn.referral == AdReferral(source_type="ad", source_id="7", headline="Write to us", click_id="click")
    assert referral_of({"referral": {"source_type": ""}}) is None
    assert referral_of({"referral": "x"}) is None


def test_the_parts_are_stored_with_the_message_and_read_back() -> None:
    turn = message(type="image", text=None, image={"id": "1"}, context={"id": "wamid.q"}, referral={"source_id": "7"})
    assert isinstance(turn, CustomerTurn)
    *own, detail = entries.to_row(turn)
    assert turn == entries.from_row((*own, json.loads(detail)))


def test_a_record_with_an_id_that_leads_elsewhere_is_not_read() -> None:
    """Any client with write access to the topic can publish one."""
    turn = message(type="image", text=None, image={"id": "1"})
    document = turn.model_dump(mode="json") | {"media": {"id": "../1"}}
    with pytest.raises(ValueError, match="media"):
        FACT.validate_python(document)
