"""A campaign's message as the customer sees it, with what is filled in highlighted."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flask import url_for

from console.media.shown import FileLook, look_of
from console.request import translated, words
from domain.campaigns.content import BUTTON, HEADER
from domain.contract.texts import gettext_noop
from domain.sending.templates import Template, pieces
from infra.postgres.media.uploads import UploadedFile

_FILES = {
    "image": gettext_noop("A picture stands here"),
    "video": gettext_noop("A video stands here"),
    "document": gettext_noop("A document stands here"),
}


class ShownPiece(NamedTuple):
    """A piece of a text. `is_value`: it is filled in for each recipient."""

    text: str
    is_value: bool


class ShownHeading(NamedTuple):
    """The file that the heading of a message shows. `name`: its name, or what will stand there; `address`, `size`: of
    the file, empty: none was chosen; `look`: how it is shown."""

    name: str
    address: str = ""
    size: str = ""
    look: FileLook = "document"


class CampaignPreview(NamedTuple):
    """A message. `file`: what its heading shows; None: no file; `buttons`: their titles."""

    file: ShownHeading | None
    header: Sequence[ShownPiece]
    body: Sequence[ShownPiece]
    footer: str
    buttons: Sequence[str]


def shown_message(
    template: Template, parameters: Mapping[str, str], heading: UploadedFile | None = None
) -> CampaignPreview:
    """The message with these parameters. A variable without one is shown as the template has it. `heading`: the file
    that its heading shows; None: none was chosen."""
    kind = template.header_kind
    return CampaignPreview(
        _heading(kind, heading) if kind in _FILES else None,
        _shown(template.header_text, dict.fromkeys(_names(template.header_text), parameters.get(HEADER, ""))),
        _shown(template.body, parameters),
        template.footer,
        [str(button.get("text", "")) for button in template.buttons],
    )


def variable_label(template: Template, name: str) -> str:
    """What a variable of a template is called on the page."""
    if name == HEADER:
        return translated(gettext_noop("Heading"))
    if name.startswith(BUTTON):
        index = int(name.removeprefix(BUTTON))
        title = template.buttons[index].get("text", "") if index < len(template.buttons) else index + 1
        return translated(gettext_noop("Button %(title)s")) % {"title": title}
    return f"{{{{{name}}}}}"


def _heading(kind: str, file: UploadedFile | None) -> ShownHeading:
    if file is None:
        return ShownHeading(translated(_FILES[kind]))
    look = look_of(file.kind, file.mime_type, opened=True)
    return ShownHeading(file.file_name, url_for("media.heading", id_=file.id), words().size(file.size), look)


def _names(text: str) -> list[str]:
    return [piece.variable for piece in pieces(text) if piece.variable is not None]


def _shown(text: str, values: Mapping[str, str]) -> list[ShownPiece]:
    return [
        ShownPiece(values.get(piece.variable) or piece.text, True)
        if piece.variable is not None
        else ShownPiece(piece.text, False)
        for piece in pieces(text)
    ]
