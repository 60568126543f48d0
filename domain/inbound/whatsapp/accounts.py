"""Reads what Meta reports about our accounts: their numbers, templates and limits, and which customers want no
marketing (webhooks.md, Account fields). An update that does not have what its fact needs, or that says something new,
is a notice."""

import re
from typing import Any

from domain.facts import (
    AccountChanged,
    Fact,
    MarketingPreference,
    NumberChanged,
    PeoplePerDay,
    TemplateChanged,
)
from domain.ids import fact_id
from domain.inbound.json_body import Json, JsonObject, digest, identifier, nested
from domain.inbound.whatsapp.updates import WebhookChange, notice, sent_at_of
from domain.phone_numbers import read_phone

_WANTS = {"stop": False, "resume": True}
_TIER = re.compile(r"TIER_(\d{1,6})(K?)")
_UNLIMITED = ("TIER_UNLIMITED", -1, "-1")
_HIGH_THROUGHPUT = 1000
_QUALITIES = {"FLAGGED": "RED", "UNFLAGGED": "UNKNOWN"}
"""Meta's quality of a number after its events; after others it is what it was."""
_THROUGHPUT_EVENT = "THROUGHPUT_UPGRADE"
_RESTRICTIONS = frozenset({"DISABLED_UPDATE", "ACCOUNT_VIOLATION", "ACCOUNT_RESTRICTION", "ACCOUNT_DELETED"})
"""Events of accounts after which Meta may refuse messages, or takes them again."""


def preference(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads `user_preferences[]`: a customer stops or resumes marketing messages."""
    sent_at = sent_at_of(item)
    ids: JsonObject = {"from": identifier(item, "wa_id"), "from_user_id": identifier(item, "user_id")}
    customer = change.contacts.party(ids, "from")
    wants = _WANTS.get(str(item.get("value")))
    number = change.number
    if number is None or customer is None or wants is None or item.get("category") != "marketing_messages":
        return notice(change, "user_preferences", item, sent_at=sent_at)
    named = str([customer.user_id, customer.wa_id])
    return MarketingPreference(
        id=fact_id("preference", number, named, str(wants), str(sent_at)),
        **change.times(sent_at),
        phone_number_id=number,
        customer=customer,
        wants=wants,
    )


def template_status(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads `message_template_status_update`."""
    reason = identifier(item, "reason")
    return _template(change, item, "status", identifier(item, "event"), None if reason == "NONE" else reason)


def template_quality(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads `message_template_quality_update`."""
    return _template(change, item, "quality", identifier(item, "new_quality_score"))


def template_category(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads `template_category_update`. One that only announces a change (`correct_category`) is a notice."""
    announced = identifier(item, "correct_category") is not None
    return _template(change, item, "category", None if announced else identifier(item, "new_category"))


def number_limit(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads `phone_number_quality_update`: the number's throughput or limit, or that it was flagged."""
    shown, event = identifier(item, "display_phone_number"), identifier(item, "event")
    phone = shown and read_phone(shown)
    if not change.account_id or phone is None or event is None:
        return notice(change, change.field, item)
    is_throughput = event == _THROUGHPUT_EVENT
    # `current_limit` of a throughput event is about the throughput
    people = _people(item.get("max_daily_conversations_per_business"))
    if people is None and not is_throughput:
        people = _people(item.get("current_limit"))
    return NumberChanged(
        **_head(change, item),
        phone=phone,
        event=event,
        quality=_QUALITIES.get(event),
        throughput=_HIGH_THROUGHPUT if is_throughput else None,
        people_per_day=people,
    )


def capability(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads `business_capability_update`: how many people the templates of the business reach a day."""
    people = _people(item.get("max_daily_conversations_per_business"))
    if people is None:
        people = _people(item.get("max_daily_conversation_per_phone"))
    if not change.account_id or people is None:
        return notice(change, change.field, item)
    return AccountChanged(**_head(change, item), event="CAPABILITY_UPDATE", people_per_day=people)


def account_update(change: WebhookChange, item: JsonObject) -> Fact:
    """Reads `account_update`: a restriction of the account, or its end."""
    event = identifier(item, "event")
    if not change.account_id or event not in _RESTRICTIONS:
        return notice(change, change.field, item)
    restrictions = item.get("restriction_info")
    first = restrictions[0] if isinstance(restrictions, list) and restrictions else None
    detail = (
        identifier(nested(item, "ban_info"), "waba_ban_state")
        or identifier(nested(item, "violation_info"), "violation_type")
        or (identifier(first, "restriction_type") if isinstance(first, dict) else None)
    )
    return AccountChanged(**_head(change, item), event=event, detail=detail)


def _template(
    change: WebhookChange, item: JsonObject, aspect: str, value: str | None, reason: str | None = None
) -> Fact:
    name, language = identifier(item, "message_template_name"), identifier(item, "message_template_language")
    if not change.account_id or name is None or language is None or value is None:
        return notice(change, change.field, item)
    return TemplateChanged.model_validate(
        {
            **_head(change, item),
            "name": name,
            "language": language.replace("-", "_"),  # the library and the Graph API write en_US, some webhooks en-US
            "aspect": aspect,
            "value": value,
            "reason": reason,
        }
    )


def _head(change: WebhookChange, item: JsonObject) -> dict[str, Any]:
    """Returns the fields that all facts about accounts have. Their ids are hashes of the content, because the updates
    have none: a repeated update gets the same id."""
    content = digest([str(change.time), item])
    return {
        "id": fact_id("account", change.account_id, change.field, content),
        **change.times(change.time or change.received_at),
        "account_id": change.account_id,
    }


def people_of_tier(tier: str) -> int | None:
    """Returns how many people a day a tier like `TIER_250` or `TIER_10K` allows; None: it is no such tier."""
    found = _TIER.fullmatch(tier)
    return (int(found[1]) * (1000 if found[2] else 1) or None) if found else None


def _people(value: Json) -> PeoplePerDay | None:
    """Returns a limit, which Meta writes as a number or as the name of a tier; None: there is none that we know."""
    if value in _UNLIMITED:
        return "unlimited"
    if type(value) is int:
        return value if 1 <= value < 2**31 else None
    return people_of_tier(value) if isinstance(value, str) else None
