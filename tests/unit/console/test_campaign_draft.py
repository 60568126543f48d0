"""What is typed for a new campaign counts as it is meant, or is refused: nothing is left out without a word."""

from dataclasses import replace
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, g
from pydantic import ValidationError

from console.campaigns.new.creation import WrongDraft, ask_for
from console.campaigns.new.draft import Draft, TemplateKey, readable
from console.dependencies import Dependencies
from console.words import Words

ROME = ZoneInfo("Europe/Rome")
NOW = datetime(2026, 11, 30, 10, 0, tzinfo=ROME)
DRAFT = Draft(number="106", templates=(TemplateKey("offer", "it"),), source="customers", agreed=True, name="Autumn")
NO_CONSOLE = cast(Dependencies, None)


def refusal(draft: Draft) -> str:
    with Flask("page").test_request_context():
        g.words = Words("en", ROME, NOW)
        with pytest.raises(WrongDraft) as wrong:
            ask_for(NO_CONSOLE, draft, "form")
    return str(wrong.value)


def chosen(**typed: Any) -> Any:
    return readable(replace(DRAFT, **typed), ROME).customers


def test_times_of_the_filter_are_those_of_the_page() -> None:
    found = chosen(since="2026-11-01T09:00")
    assert (datetime(2026, 11, 1, 9, tzinfo=ROME), None) == (found.wrote_since, found.wrote_until)


@pytest.mark.parametrize("typed", ["0026-11-01T09:00", "9999-12-31T23:59", "yesterday"])
@pytest.mark.parametrize("field", ["since", "until"])
def test_a_time_that_cannot_be_meant_does_not_choose_everybody(field: str, typed: str) -> None:
    """The field of a browser makes the year 26 of a year that was typed with two digits."""
    with pytest.raises(ValidationError):
        chosen(**{field: typed})
    assert "A time was not understood." == refusal(replace(DRAFT, **cast(Any, {field: typed})))


def test_a_time_zone_that_does_not_exist_is_not_replaced_by_another() -> None:
    assert refusal(replace(DRAFT, zone="Midgard")).startswith("Unknown time zone")
    assert "Europe/Rome" == readable(replace(DRAFT, zone="Roma"), ZoneInfo("UTC")).terms.zone
