"""Checks the body of `POST /{phone_number_id}/messages`, in the order in which Meta does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.local.graph.checks.fields import choice_of, list_of, number_of, object_of, optional_text, text_of
from infra.local.graph.checks.interactive import check_interactive
from infra.local.graph.checks.recipients import GraphRecipient, recipient_of
from infra.local.graph.checks.refusals import GraphRefusal, missing, required, wrong

TEXT, CAPTION, FILE_NAME, CALLBACK, WAMID = 4096, 1024, 240, 512, 128
"""Greatest lengths in characters."""
_MEDIA = ("image", "video", "audio", "document", "sticker")
_WITH_CAPTION = ("image", "video", "document")

MediaCheck = Callable[[str, str], None]
"""Raises GraphRefusal unless the media id is known and of this kind: (kind, id)."""


@dataclass(frozen=True, slots=True)
class PostedMessage:
    """A message that passed the checks of its form. `content`: the object named like the kind. `template`: name and
    language. `quoted`: the wamid that it replies to."""

    kind: str
    recipient: GraphRecipient
    content: Any
    callback: str | None
    quoted: str | None
    template: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class ReadReceipt:
    """A message of a customer that was marked as read; with `typing`, the customer sees that an answer is written."""

    wamid: str
    typing: bool


def read_post(body: object, sender_digits: str, check_media: MediaCheck) -> PostedMessage | ReadReceipt:
    """Returns what a body asks for. Raises GraphRefusal. The parameters of a template are not checked here."""
    if not isinstance(body, dict):
        raise GraphRefusal(100, "The request body must be a JSON object.")
    if body.get("messaging_product") != "whatsapp":
        raise required("messaging_product")
    if "status" in body:
        return _read_receipt(body)
    if body.get("recipient_type") is not None:
        choice_of(body, "recipient_type", "", ("individual",))
    recipient = recipient_of(body, sender_digits)
    kind = optional_text(body, "type") or "text"
    if kind not in _CHECKS and kind not in _MEDIA:
        raise GraphRefusal(131051, f'Message type "{kind[:32]}" is not supported.')
    content: Any = list_of(body, kind) if kind == "contacts" else object_of(body, kind)
    if kind in _MEDIA:
        _check_media(kind, content, check_media)
    else:
        _CHECKS[kind](content)
    quoted = None
    if body.get("context") is not None:
        quoted = text_of(object_of(body, "context"), "message_id", "context", most=WAMID)
    callback = optional_text(body, "biz_opaque_callback_data", most=CALLBACK)
    template = (content["name"], content["language"]["code"]) if kind == "template" else None
    return PostedMessage(kind, recipient, content, callback, quoted, template)


def _read_receipt(body: dict[str, Any]) -> ReadReceipt:
    choice_of(body, "status", "", ("read",))
    wamid = text_of(body, "message_id", most=WAMID)
    if not wamid.startswith("wamid."):
        raise wrong("message_id", "must be the id of a message that was received")
    typing = body.get("typing_indicator")
    if typing is not None:
        choice_of(object_of(body, "typing_indicator"), "type", "typing_indicator", ("text",))
    return ReadReceipt(wamid, typing is not None)


def _check_text(text: dict[str, Any]) -> None:
    text_of(text, "body", "text", most=TEXT)
    if not isinstance(text.get("preview_url", False), bool):
        raise wrong("text['preview_url']", "must be a boolean")


def _check_media(kind: str, media: dict[str, Any], check_media: MediaCheck) -> None:
    media_id, link = optional_text(media, "id", kind), optional_text(media, "link", kind)
    if (media_id is None) == (link is None):
        raise wrong(kind, "must have either an id or a link")
    if media_id is not None:
        check_media(kind, media_id)
    elif link is not None and not link.startswith(("http://", "https://")):
        raise wrong(f"{kind}['link']", "must be a URL")
    if media.get("caption") is not None:
        if kind not in _WITH_CAPTION:
            raise wrong(f"{kind}['caption']", "is not allowed")
        text_of(media, "caption", kind, most=CAPTION)
    if media.get("filename") is not None:
        if kind != "document":
            raise wrong(f"{kind}['filename']", "is not allowed")
        text_of(media, "filename", kind, most=FILE_NAME)


def _check_location(location: dict[str, Any]) -> None:
    number_of(location, "latitude", "location", -90, 90)
    number_of(location, "longitude", "location", -180, 180)
    optional_text(location, "name", "location")
    optional_text(location, "address", "location")


def _check_contacts(contacts: list[dict[str, Any]]) -> None:
    for contact in contacts:
        text_of(object_of(contact, "name", "contacts"), "formatted_name", "contacts['name']")


def _check_reaction(reaction: dict[str, Any]) -> None:
    text_of(reaction, "message_id", "reaction", most=WAMID)
    if not isinstance(reaction.get("emoji"), str):  # an empty one removes the reaction
        raise missing("reaction['emoji']")


def _check_template(template: dict[str, Any]) -> None:
    text_of(template, "name", "template", most=512)
    text_of(object_of(template, "language", "template"), "code", "template['language']")
    if template.get("components"):
        list_of(template, "components", "template")


_CHECKS: dict[str, Callable[[Any], None]] = {
    "text": _check_text,
    "interactive": check_interactive,
    "location": _check_location,
    "contacts": _check_contacts,
    "reaction": _check_reaction,
    "template": _check_template,
}
