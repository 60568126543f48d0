"""What Meta's webhooks say about templates, numbers, accounts and customers between two synchronisations."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal, NamedTuple

from domain.facts import (
    AccountChanged,
    AccountFact,
    MarketingPreference,
    MessageStatus,
    NumberChanged,
    Party,
    TemplateChanged,
)
from domain.ids import FactId, fact_id
from domain.phone_numbers import split_ids

UNLIMITED = "unlimited"
_OPTED_OUT = 131050
_LIFTED = "REINSTATE"
_SENDABLE_AGAIN = "REINSTATED"
_UNCHANGED = frozenset({"FLAGGED", "UNARCHIVED", "UNLOCKED"})
"""Events that say nothing about a template's status by themselves: it may be disabled later, or it has the status that
it had before."""

Aspect = Literal["status", "quality", "category", "throughput", "people_per_day", "restriction"]


class Report(NamedTuple):
    """One thing that Meta reported. `name`: the template's name or the number's phone, empty for an account;
    `language`: the template's. Of the same thing the latest by `(at, id)` is used."""

    account_id: str
    kind: Literal["template", "number", "account"]
    name: str
    language: str
    aspect: Aspect
    value: str
    at: datetime
    id: FactId


def reports_of(facts: Iterable[AccountFact]) -> Iterator[Report]:
    """Yields what the facts say."""
    for fact in facts:
        match fact:
            case TemplateChanged():
                value = _status(fact.value) if fact.aspect == "status" else fact.value
                if value is not None:
                    yield Report(
                        fact.account_id, "template", fact.name, fact.language, fact.aspect, value, fact.at, fact.id
                    )
            case NumberChanged():
                yield from _of_number(fact)
            case AccountChanged(people_per_day=None):
                value = "" if fact.detail == _LIFTED else ": ".join(filter(None, (fact.event, fact.detail)))
                yield Report(fact.account_id, "account", "", "", "restriction", value, fact.at, fact.id)
            case AccountChanged():
                people = str(fact.people_per_day)
                yield Report(fact.account_id, "account", "", "", "people_per_day", people, fact.at, fact.id)


def _of_number(fact: NumberChanged) -> Iterator[Report]:
    values: tuple[tuple[Aspect, object], ...] = (
        ("quality", fact.quality),
        ("throughput", fact.throughput),
        ("people_per_day", fact.people_per_day),
    )
    for aspect, value in values:
        if value is not None:
            yield Report(fact.account_id, "number", fact.phone, "", aspect, str(value), fact.at, fact.id)


def _status(event: str) -> str | None:
    """Returns the status of a template after an event; None: as before."""
    if event in _UNCHANGED:
        return None
    return "APPROVED" if event == _SENDABLE_AGAIN else event


def is_news(fact: AccountFact) -> bool:
    """Returns whether more has to be read from Meta than the fact says."""
    return isinstance(fact, TemplateChanged) and fact.aspect == "status" and fact.value in {*_UNCHANGED, "APPROVED"}


def preference_in(status: MessageStatus) -> MarketingPreference | None:
    """Returns the preference that a failure tells: that the customer stopped marketing; None: it tells none."""
    if status.status != "failed" or _OPTED_OUT not in (status.code, *status.codes):
        return None
    wa_id, user_id = split_ids(status.recipient or None, status.recipient_user_id)
    if wa_id is None and user_id is None:
        return None
    return MarketingPreference(
        id=fact_id("preference in", str(status.id)),
        at=status.at,
        sent_at=status.sent_at,
        phone_number_id=status.phone_number_id,
        customer=Party(wa_id=wa_id, user_id=user_id),
        wants=False,
    )
