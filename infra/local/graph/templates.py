"""The templates of the stand-in, the same for every account, and the endpoint that lists them."""

import base64
import copy
import json
from collections.abc import Mapping
from typing import Any

from infra.local.graph.checks.refusals import GraphRefusal, wrong
from infra.local.graph.checks.template_parameters import check_parameters

PAGE, LONGEST_PAGE = 25, 250
"""Templates of a page: unless `limit` is given, and at most."""
NOT_SENT = {"PAUSED": 132015, "DISABLED": 132016}
"""The error for a template that is not approved, by status; 132001 for all others."""
_DEFAULT_FIELDS = ("name", "status", "category", "language", "components", "parameter_format")

TemplateObject = dict[str, Any]
"""A template as Meta lists it."""


def _template(
    number: int, name: str, language: str, category: str, status: str, *components: TemplateObject
) -> TemplateObject:
    return {
        "name": name,
        "parameter_format": "POSITIONAL",
        "components": list(components),
        "language": language,
        "status": status,
        "category": category,
        "quality_score": {"score": "GREEN" if status == "APPROVED" else "UNKNOWN"},
        "rejected_reason": "PROMOTIONAL" if status == "REJECTED" else "NONE",
        "id": str(880000000000000 + number),
    }


def _body(text: str, *samples: str) -> TemplateObject:
    return {"type": "BODY", "text": text, **({"example": {"body_text": [list(samples)]}} if samples else {})}


def _quick_replies(*texts: str) -> TemplateObject:
    return {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": text} for text in texts]}


TEMPLATES: tuple[TemplateObject, ...] = (
    _template(1, "order_update", "en", "UTILITY", "APPROVED", _body("Your order {{1}} is ready for you.", "1234")),
    _template(2, "order_update", "it", "UTILITY", "APPROVED", _body("Il tuo ordine {{1}} è pronto per te.", "1234")),
    _template(
        3,
        "hello_world",
        "en_US",
        "UTILITY",
        "APPROVED",
        {"type": "HEADER", "format": "TEXT", "text": "Hello World"},
        _body("Welcome and congratulations!! This message demonstrates your ability to send a WhatsApp message."),
        {"type": "FOOTER", "text": "WhatsApp Business Platform sample message"},
    ),
    _template(
        4,
        "spring_offer",
        "en",
        "MARKETING",
        "APPROVED",
        {"type": "HEADER", "format": "TEXT", "text": "Spring at {{1}}", "example": {"header_text": ["Cicli Zefiro"]}},
        _body("Hello {{1}}, until {{2}} every check of your bike includes new brake pads.", "Anna", "30 April"),
        {"type": "FOOTER", "text": "Reply STOP to get no more offers"},
        {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Tell me more"}]},
    ),
    _template(5, "visit_reminder", "en", "UTILITY", "PAUSED", _body("We expect you on {{1}}.", "Tuesday at 10")),
    _template(6, "flash_sale", "en", "MARKETING", "REJECTED", _body("Only today: everything at half price!")),
    _template(
        7,
        "autumn_check",
        "en",
        "MARKETING",
        "APPROVED",
        _body(
            "Hello {{1}}, before winter we check the lights, brakes and chain of your bike: {{2}}. "
            "Shall we keep a place for you?",
            "Anna",
            "30 euro until Saturday",
        ),
        {"type": "FOOTER", "text": "Reply STOP to get no more offers"},
        _quick_replies("Yes, please", "Not now"),
    ),
    _template(
        8,
        "autumn_check",
        "it",
        "MARKETING",
        "APPROVED",
        _body(
            "Ciao {{1}}, prima dell'inverno controlliamo luci, freni e catena della tua bici: {{2}}. "
            "Ti teniamo un posto?",
            "Anna",
            "30 euro fino a sabato",
        ),
        {"type": "FOOTER", "text": "Rispondi STOP per non ricevere altre offerte"},
        _quick_replies("Sì, grazie", "Non ora"),
    ),
)
"""Meta's list has the newest first; here the order is fixed."""


def first_quick_reply(name: str, language: str) -> str | None:
    """Returns the text of a template's first quick reply; None: it has none."""
    for template in TEMPLATES:
        if (template["name"], template["language"]) == (name, language):
            parts = [part for part in template["components"] if part["type"] == "BUTTONS"]
            texts = [each["text"] for part in parts for each in part["buttons"] if each["type"] == "QUICK_REPLY"]
            return str(texts[0]) if texts else None
    return None


class TemplateStore:
    """The templates with the changes that faults made to them."""

    def __init__(self, templates: tuple[TemplateObject, ...] = TEMPLATES) -> None:
        self._templates = templates
        self._paused: set[str] = set()
        self._texts: dict[str, str] = {}

    def change(self, paused: set[str], texts: dict[str, str]) -> None:
        """Sets which templates are paused, and the edited texts by name. All other templates are as at the start."""
        self._paused, self._texts = paused, texts

    def current(self) -> list[TemplateObject]:
        """Returns all templates as they are now."""
        return [self._changed(template) for template in self._templates]

    def named(self, name: str) -> list[TemplateObject]:
        """Returns the languages of a template."""
        return [template for template in self.current() if template["name"] == name]

    def sendable(self, name: str, language: str, components: list[TemplateObject]) -> TemplateObject:
        """Returns the template of a message. Raises GraphRefusal if it may not be sent or its parameters are wrong."""
        found = [each for each in self._templates if (each["name"], each["language"]) == (name, language)]
        if not found:
            raise GraphRefusal(132001, f"template name ({name[:64]}) does not exist in {language[:16]}")
        template = self._changed(found[0])
        if template["status"] != "APPROVED":
            code = NOT_SENT.get(template["status"], 132001)
            raise GraphRefusal(code, f"template ({name}, {language}) is {template['status'].lower()}")
        check_parameters(template, components)
        return template

    def page(self, query: Mapping[str, str], path: str) -> dict[str, Any]:
        """Returns a page of the list. `query`: `fields`, `limit`, `after`, and filters as Meta has them. `path`: the
        address of the endpoint, for the link to the next page."""
        found = [template for template in self.current() if _fits(template, query)]
        limit, start = _limit(query.get("limit")), _offset(query.get("after"))
        rows = found[start : start + limit]
        names = [name for name in query.get("fields", "").split(",") if name] or list(_DEFAULT_FIELDS)
        page: dict[str, Any] = {
            "data": [{name: row[name] for name in dict.fromkeys([*names, "id"]) if name in row} for row in rows]
        }
        if rows:
            page["paging"] = {"cursors": {"before": _cursor(start), "after": _cursor(start + len(rows))}}
        if start + limit < len(found):
            kept = {name: value for name, value in query.items() if name not in ("after", "access_token")}
            pairs = "&".join(f"{name}={value}" for name, value in kept.items())
            page["paging"]["next"] = f"{path}?{pairs}{'&' if pairs else ''}after={_cursor(start + len(rows))}"
        return page

    def _changed(self, template: TemplateObject) -> TemplateObject:
        name = template["name"]
        if name not in self._paused and name not in self._texts:
            return template
        changed = copy.deepcopy(template)
        if name in self._paused:
            changed["status"] = "PAUSED"
        if name in self._texts:
            (body,) = (part for part in changed["components"] if part["type"] == "BODY")
            body["text"] = self._texts[name]
        return changed


def _fits(template: TemplateObject, query: Mapping[str, str]) -> bool:
    filters = ("status", "category", "language", "name")
    return all(template[name].lower() == query[name].lower() for name in filters if query.get(name))


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE
    if not text.isdecimal() or not 1 <= int(text) <= LONGEST_PAGE:
        raise wrong("limit", f"must be between 1 and {LONGEST_PAGE}")
    return int(text)


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"at": position}).encode()).decode().rstrip("=")


def _offset(cursor: str | None) -> int:
    if not cursor:
        return 0
    try:
        at = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))["at"]
    except (ValueError, KeyError, TypeError):
        raise wrong("after", "must be a cursor of an earlier page") from None
    if not isinstance(at, int) or at < 0:
        raise wrong("after", "must be a cursor of an earlier page")
    return at
