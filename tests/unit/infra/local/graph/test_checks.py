"""The Graph stand-in refuses what Meta refuses, with Meta's code, status and explanation."""

import json
from typing import Any

import pytest

from infra.local.graph.checks.messages import PostedMessage, ReadReceipt, read_post
from infra.local.graph.checks.refusals import TITLES, GraphRefusal, wrong
from tests.support.graph import CUSTOMER, message

SENDER = "442079460001"
REPLY = {"type": "reply", "reply": {"id": "yes", "title": "Yes"}}
ROW = {"id": "r1", "title": "Repair", "description": "Until Friday"}


def no_media(kind: str, media_id: str) -> None:
    """Knows one picture, `1`."""
    if (kind, media_id) != ("image", "1"):
        raise wrong(f"{kind}['id']", "is not known")


def buttons(*choices: dict[str, Any], body: str = "Which?", **more: Any) -> dict[str, Any]:
    interactive = {"type": "button", "body": {"text": body}, "action": {"buttons": list(choices)}, **more}
    return message("interactive", interactive)


def a_list(*rows: dict[str, Any], button: str = "Choose", **more: Any) -> dict[str, Any]:
    action = {"button": button, "sections": [{"rows": list(rows)}]}
    return message("interactive", {"type": "list", "body": {"text": "Which?"}, "action": action, **more})


def rows(number: int) -> list[dict[str, Any]]:
    return [{"id": f"r{n}", "title": f"Row {n}"} for n in range(number)]


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


TEXT = message("text", {"body": "Hello"})
ACCEPTED = {
    "text": TEXT,
    "text of the greatest length": message("text", {"body": "x" * 4096, "preview_url": True}),
    "no type is a text": without(TEXT, "type"),
    "phone with plus and spaces": message("text", {"body": "Hello"}, to="+44 7700 900001"),
    "image by id": message("image", {"id": "1", "caption": "The bike"}),
    "video by link": message("video", {"link": "https://example.com/a.mp4", "caption": "x" * 1024}),
    "audio": message("audio", {"link": "https://example.com/a.ogg"}),
    "document": message("document", {"link": "https://example.com/a.pdf", "filename": "bill.pdf"}),
    "sticker": message("sticker", {"link": "https://example.com/a.webp"}),
    "three buttons": buttons(*({"type": "reply", "reply": {"id": f"{n}", "title": f"B{n}"}} for n in range(3))),
    "button with header and footer": buttons(
        REPLY, header={"type": "text", "text": "x" * 60}, footer={"text": "x" * 60}, body="x" * 1024
    ),
    "list of ten rows": a_list(*rows(10)),
    "location": message("location", {"latitude": 45.4, "longitude": "10.99", "name": "Shop"}),
    "contacts": message("contacts", [{"name": {"formatted_name": "Anna"}, "phones": [{"phone": CUSTOMER}]}]),
    "reaction": message("reaction", {"message_id": "wamid.1", "emoji": "👍"}),
    "reaction that is removed": message("reaction", {"message_id": "wamid.1", "emoji": ""}),
    "template": message("template", {"name": "hello_world", "language": {"code": "en_US"}}),
    "callback data": {**TEXT, "biz_opaque_callback_data": "x" * 512},
    "quotation": {**TEXT, "context": {"message_id": "wamid.1"}},
    "individual": {**TEXT, "recipient_type": "individual"},
}
REFUSED = {
    "no object": ([TEXT], 100),
    "no product": (without(TEXT, "messaging_product"), 100),
    "no recipient": (without(TEXT, "to"), 100),
    "recipient is a word": (message("text", {"body": "Hello"}, to="Anna"), 100),
    "recipient too short": (message("text", {"body": "Hello"}, to="+4477"), 131026),
    "recipient is the sender": (message("text", {"body": "Hello"}, to=f"+{SENDER}"), 131021),
    "a group": ({**TEXT, "recipient_type": "group"}, 100),
    "unknown type": (message("hologram", {}), 131051),
    "object of the type missing": (without(TEXT, "text"), 131008),
    "text without body": (message("text", {}), 131008),
    "text with an empty body": (message("text", {"body": " "}), 131008),
    "text too long": (message("text", {"body": "x" * 4097}), 100),
    "preview is a word": (message("text", {"body": "x", "preview_url": "yes"}), 100),
    "media without id and link": (message("image", {"caption": "x"}), 100),
    "media with both": (message("image", {"id": "1", "link": "https://example.com/a.png"}), 100),
    "media id of another kind": (message("video", {"id": "1"}), 100),
    "media id unknown": (message("image", {"id": "2"}), 100),
    "link without scheme": (message("image", {"link": "example.com/a.png"}), 100),
    "caption too long": (message("image", {"id": "1", "caption": "x" * 1025}), 100),
    "caption of a sticker": (message("sticker", {"link": "https://example.com/a.webp", "caption": "x"}), 100),
    "file name of an image": (message("image", {"id": "1", "filename": "a.png"}), 100),
    "interactive of another type": (message("interactive", {"type": "carousel"}), 100),
    "no button": (buttons(), 131008),
    "four buttons": (
        buttons(*({"type": "reply", "reply": {"id": f"{n}", "title": f"B{n}"}} for n in range(4))),
        131009,
    ),
    "button title too long": (buttons({"type": "reply", "reply": {"id": "1", "title": "x" * 21}}), 131009),
    "button id too long": (buttons({"type": "reply", "reply": {"id": "x" * 257, "title": "Yes"}}), 131009),
    "buttons with one id": (buttons(REPLY, {"type": "reply", "reply": {"id": "yes", "title": "No"}}), 131009),
    "buttons with one title": (buttons(REPLY, {"type": "reply", "reply": {"id": "no", "title": "Yes"}}), 131009),
    "button body too long": (buttons(REPLY, body="x" * 1025), 131009),
    "footer too long": (buttons(REPLY, footer={"text": "x" * 61}), 131009),
    "header too long": (buttons(REPLY, header={"type": "text", "text": "x" * 61}), 131009),
    "list with a picture as header": (a_list(ROW, header={"type": "image", "image": {"id": "1"}}), 100),
    "list without rows": (a_list(), 131008),
    "eleven rows": (a_list(*rows(11)), 131009),
    "row title too long": (a_list({"id": "1", "title": "x" * 25}), 131009),
    "row description too long": (a_list({"id": "1", "title": "x", "description": "x" * 73}), 131009),
    "rows with one id": (a_list(ROW, ROW), 131009),
    "list button too long": (a_list(ROW, button="x" * 21), 131009),
    "location outside": (message("location", {"latitude": 91, "longitude": 0}), 100),
    "location without longitude": (message("location", {"latitude": 1}), 131008),
    "contact without name": (message("contacts", [{"phones": []}]), 131008),
    "no contact": (message("contacts", []), 131008),
    "reaction without emoji": (message("reaction", {"message_id": "wamid.1"}), 131008),
    "reaction to no message": (message("reaction", {"emoji": "x"}), 131008),
    "template without language": (message("template", {"name": "x"}), 131008),
    "template without name": (message("template", {"language": {"code": "en"}}), 131008),
    "callback data too long": ({**TEXT, "biz_opaque_callback_data": "x" * 513}, 100),
    "quotation of a too long id": ({**TEXT, "context": {"message_id": "x" * 129}}, 100),
    "receipt of another status": ({"messaging_product": "whatsapp", "status": "seen", "message_id": "wamid.1"}, 100),
    "receipt without message": ({"messaging_product": "whatsapp", "status": "read"}, 131008),
    "receipt of no wamid": ({"messaging_product": "whatsapp", "status": "read", "message_id": "1"}, 100),
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED)
def test_a_message_within_meta_s_limits_passes(body: dict[str, Any]) -> None:
    posted = read_post(body, SENDER, no_media)
    assert isinstance(posted, PostedMessage)
    assert CUSTOMER == posted.recipient.wa_id


@pytest.mark.parametrize(("body", "code"), REFUSED.values(), ids=REFUSED)
def test_a_message_outside_of_them_is_refused_with_meta_s_code(body: object, code: int) -> None:
    with pytest.raises(GraphRefusal) as refused:
        read_post(body, SENDER, no_media)
    assert code == refused.value.code


def test_an_error_has_the_form_of_meta_s_and_no_content_of_the_message() -> None:
    secret = "The code of the garage is 4711 " * 200
    with pytest.raises(GraphRefusal) as refused:
        read_post(message("text", {"body": secret}), SENDER, no_media)
    body = refused.value.body()
    error = json.loads(body)["error"]
    assert error.pop("fbtrace_id").startswith("A")
    said = "Param text['body'] must be at most 4096 characters long."
    assert error == {
        "message": f"(#100) {said}",
        "type": "OAuthException",
        "code": 100,
        "error_data": {"messaging_product": "whatsapp", "details": said},
    }
    assert b"4711" not in body


def test_a_business_scoped_user_id_stands_in_recipient_and_a_phone_wins_over_it() -> None:
    to_user = {**without(TEXT, "to"), "recipient": "IT.70000000000000000001"}
    by_user, by_phone = read_post(to_user, SENDER, no_media), read_post({**to_user, "to": CUSTOMER}, SENDER, no_media)
    assert isinstance(by_user, PostedMessage)
    assert isinstance(by_phone, PostedMessage)
    assert (None, "IT.70000000000000000001") == (by_user.recipient.wa_id, by_user.recipient.user_id)
    assert (CUSTOMER, None) == (by_phone.recipient.wa_id, by_phone.recipient.user_id)
    with pytest.raises(GraphRefusal):
        read_post({**to_user, "recipient": "70000"}, SENDER, no_media)


def test_a_national_number_goes_to_somebody_in_the_sender_s_country() -> None:
    """Only the plus sign prevents that."""
    posted = read_post(message("text", {"body": "x"}, to="07700 900002"), SENDER, no_media)
    assert isinstance(posted, PostedMessage)
    assert "447700900002" == posted.recipient.wa_id


@pytest.mark.parametrize("typing", [False, True])
def test_a_read_receipt_may_show_that_somebody_types(typing: bool) -> None:
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.1"}
    shown = {"typing_indicator": {"type": "text"}} if typing else {}
    assert ReadReceipt("wamid.1", typing) == read_post({**body, **shown}, SENDER, no_media)


def test_every_code_has_a_status_that_is_an_error() -> None:
    assert [code for code, (status, title) in TITLES.items() if not (400 <= status <= 599 and title)] == []
