"""Messages that can be sent to a customer, with Meta's limits, and their form in the Graph API.

A command has one of them as `message`, an object with one key that names the kind: `{"text": {"body": "Hello"}}`, or
`{"text": "Hello"}` for short. Lengths are in characters. Limits: Meta's reference of the Messages API.
"""

from typing import Annotated, Any, Literal, Self, get_args
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

MessageKind = Literal["text", "media", "interactive", "location", "reaction", "template"]

MAX_TEXT = 4096
MAX_BUTTONS = 3
MAX_ROWS = 10
MAX_PARAMETER = 1024


class _Part(BaseModel):
    """Base of messages and their parts. Unknown keys are rejected: a misspelt one must not be ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _visible(most: int) -> StringConstraints:
    """At most so many characters, at least one that can be seen, and no NUL, which PostgreSQL cannot store."""
    return StringConstraints(min_length=1, max_length=most, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")


Text = Annotated[str, _visible(MAX_TEXT)]
Body = Annotated[str, _visible(1024)]
ListBody = Annotated[str, _visible(MAX_TEXT)]
Footer = Annotated[str, _visible(60)]
Title = Annotated[str, _visible(20)]
RowTitle = Annotated[str, _visible(24)]
Description = Annotated[str, _visible(72)]
OptionId = Annotated[str, _visible(256)]
Parameter = Annotated[str, _visible(MAX_PARAMETER)]
Name = Annotated[str, _visible(512)]


class TextMessage(_Part):
    """A text, with links shown as previews if wanted."""

    body: Text
    preview_url: bool = False


class MediaMessage(_Part):
    """A picture, video, audio, document or sticker that was uploaded before."""

    upload_id: UUID
    """The upload's id."""
    caption: Body | None = None
    """Only for pictures, videos and documents."""


class Button(_Part):
    """A button by which the customer replies."""

    id: OptionId
    title: Title


class ListRow(_Part):
    """A row of a list, which the customer can choose."""

    id: OptionId
    title: RowTitle
    description: Description | None = None


class Section(_Part):
    """A section of a list."""

    title: RowTitle | None = None
    rows: Annotated[tuple[ListRow, ...], Field(min_length=1, max_length=MAX_ROWS)]


class ButtonsMessage(_Part):
    """A text with one to three buttons."""

    type: Literal["button"]
    body: Body
    buttons: Annotated[tuple[Button, ...], Field(min_length=1, max_length=MAX_BUTTONS)]
    header: Footer | None = None
    footer: Footer | None = None

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        _must_differ("buttons", [button.id for button in self.buttons])
        _must_differ("titles of buttons", [button.title for button in self.buttons])
        return self


class ListMessage(_Part):
    """A text with a button that opens a list of at most ten rows."""

    type: Literal["list"]
    body: ListBody
    button: Title
    sections: Annotated[tuple[Section, ...], Field(min_length=1, max_length=MAX_ROWS)]
    header: Footer | None = None
    footer: Footer | None = None

    @model_validator(mode="after")
    def _within_limits(self) -> Self:
        rows = [row.id for section in self.sections for row in section.rows]
        if len(rows) > MAX_ROWS:
            raise ValueError(f"sections: a list has at most {MAX_ROWS} rows in all")
        if len(self.sections) > 1 and any(section.title is None for section in self.sections):
            raise ValueError("sections: each of several sections needs a title")
        _must_differ("rows", rows)
        return self


class LocationMessage(_Part):
    """A place on the map, in degrees."""

    latitude: float = Field(ge=-90, le=90, allow_inf_nan=False)
    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False)
    name: Body | None = None
    address: Body | None = None


class ReactionMessage(_Part):
    """A reaction to a message of the customer; without an emoji, an earlier one is taken back."""

    message_id: Annotated[str, _visible(256)]
    """The wamid of the customer's message."""
    emoji: Annotated[str, StringConstraints(max_length=32, pattern=r"^[^\x00]*$")] = ""


class TemplateMessage(_Part):
    """An approved template, filled in. How many parameters it needs follows from the template."""

    name: Name
    language: Annotated[str, _visible(16)]
    """As Meta writes it, e.g. `en` or `pt_BR`."""
    parameters: tuple[Parameter, ...] | dict[str, Parameter] = ()
    """Of the body: in their order, or by name for a template whose parameters have names."""
    header: Parameter | UUID | None = None
    """The parameter of a text header, or the upload of a header that is a picture, video or document."""
    buttons: tuple[Parameter, ...] = ()
    """Of the buttons that need one, in the order of the buttons."""


def _text_alone(value: object) -> object:
    return {"body": value} if isinstance(value, str) else value


class OutgoingMessage(_Part):
    """One message, under the name of its kind."""

    text: Annotated[TextMessage | None, BeforeValidator(_text_alone)] = None
    media: MediaMessage | None = None
    interactive: Annotated[ButtonsMessage | ListMessage, Field(discriminator="type")] | None = None
    location: LocationMessage | None = None
    reaction: ReactionMessage | None = None
    template: TemplateMessage | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set & {name for name, value in self if value is not None}) != 1:
            raise ValueError(f"needs exactly one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def kind(self) -> MessageKind:
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)


_KINDS: tuple[MessageKind, ...] = get_args(MessageKind)


def graph_content(message: OutgoingMessage) -> dict[str, Any] | None:
    """Returns the message as the Graph API takes it, without its recipient; None for kinds that need what is stored
    about them first: media, and templates."""
    if message.text is not None:
        return {"type": "text", "text": message.text.model_dump()}
    if message.interactive is not None:
        return {"type": "interactive", "interactive": _interactive(message.interactive)}
    if message.location is not None:
        return {"type": "location", "location": message.location.model_dump(exclude_none=True)}
    if message.reaction is not None:
        return {"type": "reaction", "reaction": message.reaction.model_dump()}
    return None


def shown_text(message: OutgoingMessage) -> str | None:
    """Returns the text that a person reads in the message; None: it has none, or its template has it."""
    if message.text is not None:
        return message.text.body
    if message.media is not None:
        return message.media.caption
    if message.location is not None:
        parts = [part for part in (message.location.name, message.location.address) if part]
        return ", ".join(parts) or f"{message.location.latitude}, {message.location.longitude}"
    if message.reaction is not None:
        return message.reaction.emoji or None
    return message.interactive.body if message.interactive is not None else None


def _interactive(message: ButtonsMessage | ListMessage) -> dict[str, Any]:
    content: dict[str, Any] = {"type": message.type, "body": {"text": message.body}}
    if message.header is not None:
        content["header"] = {"type": "text", "text": message.header}
    if message.footer is not None:
        content["footer"] = {"text": message.footer}
    if isinstance(message, ButtonsMessage):
        content["action"] = {"buttons": [{"type": "reply", "reply": each.model_dump()} for each in message.buttons]}
    else:
        sections = [section.model_dump(mode="json", exclude_none=True) for section in message.sections]
        content["action"] = {"button": message.button, "sections": sections}
    return content


def _must_differ(what: str, values: list[str]) -> None:
    if len(set(values)) != len(values):
        raise ValueError(f"{what}: two are the same")
