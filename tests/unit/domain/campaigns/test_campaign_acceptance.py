"""Which campaigns may be created, and what a command about one is refused for."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.campaigns.acceptance import answers_rejection, parameters_refusal, phones_of, start_refusal
from domain.command_bodies.campaigns import AnswersTo, CreateCampaign, StartCampaign
from domain.commands import Rejection
from domain.directory import Directory
from domain.sending.acceptance import RefusedSend
from domain.sending.templates import Template

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def template(body: str, name: str = "autumn", header: dict[str, Any] | None = None) -> Template:
    """Returns an approved template."""
    components = [*([{"type": "HEADER", **header}] if header else []), {"type": "BODY", "text": body}]
    return Template("1", name, "en", "APPROVED", "MARKETING", "POSITIONAL", components)


def create(**mapping: Any) -> CreateCampaign:
    """Returns the command for a campaign from a file with this mapping."""
    return CreateCampaign.model_validate(
        {
            "name": "Autumn",
            "phone_number_id": "1",
            "templates": [{"name": "autumn", "language": "en"}],
            "file": {"file_id": str(UUID(int=1)), "mapping": {"phone": 0, **mapping}},
        }
    )


@pytest.mark.parametrize(
    ("mapping", "refused"),
    [
        ({"parameters": {"1": 1, "2": 2}}, None),
        ({"parameters": {"1": 1}, "values": {"2": "your bike"}}, None),
        ({"parameters": {"1": 1}}, "parameters: nothing is given for 2"),
        ({"parameters": {"1": 1}, "values": {"2": " "}}, "parameters: nothing is given for 2"),
        ({"parameters": {"1": 1, "2": 2, "3": 3}}, "parameters: no template has 3"),
        (
            {"parameters": {"1": 1}, "values": {"2": "your\nbike"}},
            "parameter 2: line breaks, tabs and more than four spaces in a row are not allowed",
        ),
    ],
)
def test_a_campaign_gives_every_variable_of_its_template(mapping: dict[str, Any], refused: str | None) -> None:
    found = parameters_refusal(create(**mapping), [template("Hi {{1}}, {{2}} is due")])
    assert refused == (found.detail if found else None)
    assert found is None or found.rejection is Rejection.PARAMETERS_WRONG


def test_each_of_several_templates_needs_its_own_variables() -> None:
    """What one of them needs, the others need not have."""
    plain, asking = template("Hi"), template("Hi {{1}}", "asking", {"format": "IMAGE"})
    assert parameters_refusal(create(parameters={"1": 1, "header": 2}), [plain, asking]) is None
    missing = parameters_refusal(create(parameters={"1": 1}), [plain, asking])
    assert RefusedSend(Rejection.PARAMETERS_WRONG, "parameters: nothing is given for header") == missing


def test_the_file_of_a_header_is_an_upload() -> None:
    found = parameters_refusal(create(values={"header": "photo.png"}), [template("Hi", header={"format": "IMAGE"})])
    assert RefusedSend(Rejection.PARAMETERS_WRONG, "parameters: a value is not possible in autumn") == found


def test_answers_go_to_somebody_who_exists() -> None:
    for kind, rejection in (("user", Rejection.USER_UNKNOWN), ("skillset", Rejection.SKILLSET_UNKNOWN)):
        answers = AnswersTo.model_validate({"target": {"kind": kind, "id": "nobody"}})
        assert rejection is answers_rejection(answers, Directory())
    assert answers_rejection(None, Directory()) is None


def test_a_start_is_not_in_the_past() -> None:
    """Some minutes pass between the form and the button."""
    for minutes, refused in ((-10, True), (-4, False), (10, False)):
        body = StartCampaign(campaign_id=UUID(int=1), at=NOW + timedelta(minutes=minutes))
        assert refused == (start_refusal(body, NOW) is not None)


def test_a_start_in_another_century_is_a_mistake_in_the_year() -> None:
    """At the end of the calendar, times in other zones cannot be worked out at all."""
    for year, refused in ((NOW.year + 1, False), (NOW.year + 2, True), (9999, True)):
        at = NOW.replace(year=year, month=1, day=2)
        assert refused == (start_refusal(StartCampaign(campaign_id=UUID(int=1), at=at), NOW) is not None)


def test_tests_go_to_each_phone_once() -> None:
    assert ["393331234567"] == phones_of(["+39 333 1234567", "0039 333 1234567"])
    wrong = phones_of(["+39 333 1234567", "12"])
    assert RefusedSend(Rejection.MALFORMED, "to.1: must be a phone with its country code") == wrong
