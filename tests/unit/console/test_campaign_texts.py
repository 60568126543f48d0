"""Sentences about campaigns: in the plural form of what they count, and in the language of the page."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, g

from console.campaigns.found import found_words
from console.campaigns.page.standing import progress_of
from console.words import Words
from domain.campaigns.campaign import BY_ITSELF, Campaign, CampaignState
from domain.campaigns.canary import CanaryOutcome, canary_problem
from domain.campaigns.failures import NumberNow, Seen, TemplateNow, too_many_failures, trouble_at_meta
from domain.directory import Directory
from infra.postgres.campaigns.counts import RecipientCount

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
TEMPLATE = TemplateNow("spring_offer", "it", "APPROVED", "UTILITY", "UTILITY", True, "GREEN")


@contextmanager
def page(language: str) -> Iterator[None]:
    with Flask("page").app_context():
        g.words = Words(language, ZoneInfo("UTC"), NOW)
        yield


def a_campaign(state: CampaignState, changed_by: str = "anna") -> Campaign:
    source: dict[str, object] = {}
    campaign = Campaign(UUID(int=1), "Autumn", "106", "a", source, False, {}, "anna", NOW, state, changed_by)
    return campaign.to(state, changed_by, "failures" if changed_by == BY_ITSELF else None)


def progress(language: str, campaign: Campaign, waiting: int, until: datetime | None = None) -> str:
    with page(language):
        counts = [RecipientCount(1, 0, "imported", "", waiting)]
        return progress_of(campaign, Directory({}, {}, {}), counts, waiting, until)


@pytest.mark.parametrize(
    ("state", "by", "english", "italian"),
    [
        ("importing", BY_ITSELF, "1 row is read so far.", "Finora si è letta 1 riga."),
        ("running", "anna", "1 person still waits for their turn.", "1 persona attende ancora il turno."),
        ("paused", "anna", "Paused by anna. 1 person waits.", "Sospesa da anna. 1 persona attende."),
        ("paused", BY_ITSELF, "reason. 1 person waits.", "1 persona attende."),
    ],
)
def test_of_one_person_a_campaign_speaks_in_the_singular(
    state: CampaignState, by: str, english: str, italian: str
) -> None:
    assert progress("en", a_campaign(state, by), 1).endswith(english)
    assert progress("it", a_campaign(state, by), 1).endswith(italian)
    assert "2 persone" in progress("it", a_campaign(state, by), 2) or "2 righe" in progress(
        "it", a_campaign(state, by), 2
    )


def test_who_waits_for_the_limit_is_one_person_or_many() -> None:
    tomorrow = NOW + timedelta(days=1)
    assert progress("en", a_campaign("running"), 1, tomorrow).startswith("1 person goes out from Tue 09:00 on")
    assert progress("en", a_campaign("running"), 6, tomorrow).startswith("6 people go out from Tue 09:00 on")


def test_where_nobody_waits_the_sentence_says_so() -> None:
    assert progress("en", a_campaign("running"), 0) == progress("en", a_campaign("finishing"), 0)


class _Case(NamedTuple):
    detail: str
    italian: str


def details() -> Iterator[_Case]:
    """What the domain says of a campaign that it pauses, and how it begins in Italian."""
    many, none = Seen(400, 0, {"131026": 50}), Seen(400, 0, {"": 50})
    for seen, said in (
        (many, "50 degli ultimi 200 messaggi non riusciti con il codice 131026"),
        (none, "50 degli ultimi 200 messaggi non riusciti, senza"),
        (Seen(1400, 1200, {}), "di 1.200 degli ultimi 1.200 messaggi nessuno sa"),
    ):
        reason = too_many_failures([Seen(200, 0, {})], seen)
        assert reason is not None
        yield _Case(reason.detail, said)
    for outcome, said in (
        (CanaryOutcome(200, 30, 0, 0), "30 dei primi 200 messaggi non riusciti"),
        (CanaryOutcome(200, 15, 15, 0), "15 delle prime 200 persone"),
        (CanaryOutcome(200, 0, 0, 9), "di 9 dei primi 200 messaggi nessuno sa"),
    ):
        yield _Case(canary_problem(outcome) or "", said)
    for now, number, said in (
        (
            TEMPLATE._replace(category="MARKETING"),
            None,
            "spring_offer (it): la categoria utility è diventata marketing",
        ),
        (TEMPLATE._replace(is_as_planned=False), None, "spring_offer (it): il testo è stato modificato"),
        (TEMPLATE._replace(status=None), None, "spring_offer (it): eliminato"),
        (TEMPLATE, NumberNow("GREEN", "Meta's error 131048"), "errore 131048 di Meta"),
    ):
        trouble = trouble_at_meta(a_campaign("running"), [now], number)
        assert trouble is not None
        yield _Case(trouble.detail, said)
    yield _Case("too_large", "Il file supera")


@pytest.mark.parametrize("case", list(details()))
def test_what_a_campaign_was_paused_for_is_said_in_the_language_of_the_page(case: _Case) -> None:
    with page("it"):
        assert found_words(case.detail).startswith(case.italian)
    if case.detail != "too_large":
        with page("en"):
            assert found_words(case.detail).replace(",", "").startswith(case.detail.split(" with no ")[0])


def test_what_nobody_has_words_for_stays_as_it_is() -> None:
    with page("it"):
        assert ["KeyError", "spring_offer (it): paused"] == [
            *map(found_words, ("KeyError", "spring_offer (it): paused"))
        ]
