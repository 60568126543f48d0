"""Templates of messages: texts that Meta has approved, as they were last synchronised (docs/design/sending.md).

A template is sent with parameters for its variables. Meta refuses a send whose parameters do not fit, so they are
checked before; what is shown of a send is the template with its parameters filled in.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

from domain.messages.outgoing import TemplateMessage
from domain.sending.sends import DELIVERED_WITHIN

MAX_RENDERED_BODY = 1024
"""Longest body of a filled-in template, in characters."""

_AUTHENTICATION_WITHIN = timedelta(minutes=10)
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}", re.ASCII)
_FORBIDDEN = re.compile(r"[\n\t]| {5}")
"""What Meta refuses in a parameter: line breaks, tabs, and more than four spaces in a row."""
_MEDIA_HEADERS = frozenset({"IMAGE", "VIDEO", "DOCUMENT"})
_BUTTONS_WITH_PARAMETER = {"COPY_CODE": "copy_code", "QUICK_REPLY": "quick_reply"}

HeaderKind = Literal["none", "text", "image", "video", "document", "other"]


class Template(NamedTuple):
    """A template in one language. `status`, `category`, `parameter_format`, `components`, `quality`: as Meta reports
    them; `account_id`: its WhatsApp Business Account; `ttl_seconds`: how long Meta tries to deliver it; None: as long
    as usual."""

    account_id: str
    name: str
    language: str
    status: str
    category: str
    parameter_format: str
    components: Sequence[Mapping[str, Any]]
    quality: str = "UNKNOWN"
    ttl_seconds: int | None = None

    @property
    def is_marketing(self) -> bool:
        return self.category.upper() == "MARKETING"

    @property
    def is_authentication(self) -> bool:
        return self.category.upper() == "AUTHENTICATION"

    @property
    def delivered_within(self) -> timedelta:
        """How long Meta tries to deliver it."""
        if self.ttl_seconds is not None:
            return timedelta(seconds=self.ttl_seconds)
        return _AUTHENTICATION_WITHIN if self.is_authentication else DELIVERED_WITHIN

    @property
    def is_sendable(self) -> bool:
        return self.status == "APPROVED"

    @property
    def fingerprint(self) -> str:
        """A hash of the text: an approved template can be edited, and then it has another one."""
        text = json.dumps(self.components, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def body(self) -> str:
        return _string(self._component("BODY"), "text")

    @property
    def footer(self) -> str:
        return _string(self._component("FOOTER"), "text")

    @property
    def header_kind(self) -> HeaderKind:
        header = self._component("HEADER")
        if not header:
            return "none"
        kind = _string(header, "format").upper() or "TEXT"
        if kind == "TEXT":
            return "text"
        return kind.lower() if kind in _MEDIA_HEADERS else "other"  # type: ignore[return-value]

    @property
    def header_text(self) -> str:
        return _string(self._component("HEADER"), "text") if self.header_kind == "text" else ""

    @property
    def header_needs_parameter(self) -> bool:
        """Whether the header shows a file or has a variable."""
        return self.header_kind in ("image", "video", "document") or bool(_VARIABLE.findall(self.header_text))

    @property
    def buttons(self) -> Sequence[Mapping[str, Any]]:
        buttons = self._component("BUTTONS").get("buttons")
        return [button for button in buttons if isinstance(button, dict)] if isinstance(buttons, list) else []

    @property
    def variables(self) -> list[str]:
        """The names (or numbers) of the body's variables, each once, in the order of their first use; numbers in
        their order, before names that a template with numbers should not have."""
        found = list(dict.fromkeys(_VARIABLE.findall(self.body)))
        return found if self.is_named else sorted(found, key=_as_numbers)

    @property
    def is_named(self) -> bool:
        """Whether its parameters have names."""
        return self.parameter_format.upper() == "NAMED"

    def dynamic_buttons(self) -> Iterator[tuple[int, str]]:
        """Yields index and sub-type of the buttons that need a parameter."""
        for index, button in enumerate(self.buttons):
            kind = _string(button, "type").upper()
            if kind == "URL" and _VARIABLE.search(_string(button, "url")):
                yield index, "url"
            elif kind == "COPY_CODE":
                yield index, _BUTTONS_WITH_PARAMETER[kind]

    def _component(self, kind: str) -> Mapping[str, Any]:
        for component in self.components:
            if _string(component, "type").upper() == kind:
                return component
        return {}


class Filled(NamedTuple):
    """A template with its parameters. `text`: header, body and footer as the customer reads them; `components`: the
    parameters in the form of the Graph API; `upload`: the upload that its header shows, whose id at Meta is not known
    yet."""

    text: str
    components: list[dict[str, Any]]
    upload: UUID | None


class WrongParameters(Exception):
    """The parameters do not fit the template. The message names the parameter and says what fits."""


def fill(template: Template, message: TemplateMessage) -> Filled:
    """Returns the template with the parameters of a message. Raises WrongParameters."""
    components: list[dict[str, Any]] = []
    header, upload = _header(template, message)
    if header is not None:
        components.append(header)
    values = _body_values(template, message)
    body = _rendered(template.body, values)
    if len(body) > MAX_RENDERED_BODY:
        raise WrongParameters(f"parameters: the body has {len(body)} characters, at most {MAX_RENDERED_BODY} fit")
    if values:
        named = template.is_named
        parameters = [
            {"type": "text", **({"parameter_name": name} if named else {}), "text": value}
            for name, value in values.items()
        ]
        components.append({"type": "body", "parameters": parameters})
    components += _button_components(template, message)
    header_text = template.header_text
    if header_text and isinstance(message.header, str):
        header_text = _VARIABLE.sub(lambda _: str(message.header), header_text)
    return Filled("\n".join(part for part in (header_text, body, template.footer) if part), components, upload)


def _body_values(template: Template, message: TemplateMessage) -> dict[str, str]:
    """Returns variable -> value."""
    needed, given = template.variables, message.parameters
    if isinstance(given, dict):
        if not template.is_named and given:
            raise WrongParameters("parameters: this template numbers its parameters, so give a list")
        missing = [name for name in needed if name not in given]
        if missing:
            raise WrongParameters(f"parameters: {', '.join(missing)} missing")
        if unknown := [name for name in given if name not in needed]:
            raise WrongParameters(f"parameters: the template has no {', '.join(unknown)}")
        values = {name: given[name] for name in needed}
    else:
        if len(given) != len(needed):
            raise WrongParameters(f"parameters: the template needs {len(needed)}, not {len(given)}")
        values = dict(zip(needed, given, strict=True))
    for name, value in values.items():
        _check(f"parameter {name}", value)
    return values


def _header(template: Template, message: TemplateMessage) -> tuple[dict[str, Any] | None, UUID | None]:
    kind, given = template.header_kind, message.header
    if kind in ("image", "video", "document"):
        if not isinstance(given, UUID):
            raise WrongParameters(f"header: the template needs the upload of a {kind}")
        return {"type": "header", "parameters": [{"type": kind, kind: {"upload": str(given)}}]}, given
    variables = _VARIABLE.findall(template.header_text)
    if not variables:
        if given is not None:
            raise WrongParameters("header: the template's header takes no parameter")
        return None, None
    if not isinstance(given, str):
        raise WrongParameters("header: the template needs a text")
    _check("header", given)
    name = {"parameter_name": variables[0]} if template.is_named else {}
    return {"type": "header", "parameters": [{"type": "text", **name, "text": given}]}, None


def _button_components(template: Template, message: TemplateMessage) -> Iterator[dict[str, Any]]:
    needed = list(template.dynamic_buttons())
    if len(message.buttons) != len(needed):
        raise WrongParameters(f"buttons: the template needs {len(needed)}, not {len(message.buttons)}")
    for (index, kind), value in zip(needed, message.buttons, strict=True):
        _check(f"button {index + 1}", value)
        parameter = {"type": "coupon_code", "coupon_code": value} if kind == "copy_code" else {"type": "text"}
        if kind == "url":
            parameter["text"] = value
        yield {"type": "button", "sub_type": kind, "index": str(index), "parameters": [parameter]}


def _check(what: str, value: str) -> None:
    if _FORBIDDEN.search(value):
        raise WrongParameters(f"{what}: line breaks, tabs and more than four spaces in a row are not allowed")


def _rendered(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)


class TextPiece(NamedTuple):
    """A piece of a template's text. `variable`: that stands there; None: it is the template's own text."""

    text: str
    variable: str | None


def pieces(text: str) -> list[TextPiece]:
    """Returns the text of a header or body in pieces: its own, and its variables as they are written in it."""
    found, end = [], 0
    for variable in _VARIABLE.finditer(text):
        if variable.start() > end:
            found.append(TextPiece(text[end : variable.start()], None))
        found.append(TextPiece(variable[0], variable[1]))
        end = variable.end()
    return [*found, TextPiece(text[end:], None)] if end < len(text) else found


def _as_numbers(variable: str) -> tuple[bool, int, str]:
    """Returns the key by which variables are in the order of their numbers, other ones last and as they came."""
    return (False, len(variable), variable) if variable.isdigit() else (True, 0, "")


def preview(template: Template) -> str:
    """Returns the template as it reads before its parameters are filled in."""
    return "\n".join(part for part in (template.header_text, template.body, template.footer) if part)


def _string(component: Mapping[str, Any], key: str) -> str:
    value = component.get(key)
    return value if isinstance(value, str) else ""
