"""Which campaigns may be created, and to whom their test messages go: checks of commands that need no database (docs/
design/campaigns.md, *Commands*)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import ValidationError

from domain.campaigns.content import HEADER, content_of, variables_of
from domain.command_bodies.campaigns import AnswersTo, CreateCampaign, StartCampaign
from domain.commands import Rejection
from domain.directory import Directory
from domain.phone_numbers import phone_key, read_phone
from domain.sending.acceptance import RefusedSend
from domain.sending.templates import Template, WrongParameters

STARTS_AT_ONCE_WITHIN = timedelta(minutes=5)
"""A start at a time that was so long ago at most is a start now: people need a moment from the form to the button."""
STARTS_WITHIN = timedelta(days=366)
"""A start that is further away is a mistake in the year."""
_MEDIA = ("image", "video", "document")
_ANY = "x"


def parameters_refusal(body: CreateCampaign, templates: Sequence[Template]) -> RefusedSend | None:
    """Returns what keeps templates from being filled in with what a command says; None: nothing. What the cells of a
    file contain is checked when they are read."""
    columns = set(body.file.mapping.parameters) if body.file else set[str]()
    values = body.file.mapping.values if body.file else body.customers.values if body.customers else {}
    given = columns | {name for name, value in values.items() if value.strip()}
    needed = [name for template in templates for name in variables_of(template)]
    for name in needed:
        if name not in given:
            return _wrong(f"parameters: nothing is given for {name}")
    for name in sorted(columns | set(values)):
        if name not in needed:
            return _wrong(f"parameters: no template has {name}")
    for template in templates:
        try:
            content_of(template, {**_filled(template), **{k: v for k, v in values.items() if k in given}})
        except WrongParameters as error:
            return _wrong(str(error))
        except (ValidationError, ValueError):
            return _wrong(f"parameters: a value is not possible in {template.name}")
    return None


def columns_refusal(body: CreateCampaign, columns: int) -> RefusedSend | None:
    """Returns what keeps a file from being read as a command says; None: nothing. `columns`: so many the file has."""
    if body.file is None:
        return None
    mapping = body.file.mapping
    places = {name: getattr(mapping, name) for name in ("phone", "name", "language", "zone")}
    places |= {f"parameters.{name}": place for name, place in mapping.parameters.items()}
    for name, place in places.items():
        if place is not None and place >= columns:
            detail = f"file.mapping.{name}: the file has no column {place}, its columns are 0 to {columns - 1}"
            return RefusedSend(Rejection.MALFORMED, detail)
    return None


def template_refusal(planned: Template, now: Template | None) -> RefusedSend | None:
    """Returns what keeps a template from being sent as it was planned; None: nothing. `now`: as Meta reports it, None:
    it does not."""
    if now is None:
        return RefusedSend(Rejection.TEMPLATE_UNKNOWN, f"there is no {planned.name} in {planned.language} any more")
    if not now.is_sendable:
        return RefusedSend(Rejection.TEMPLATE_NOT_APPROVED, f"{now.name} is {now.status.lower()}")
    if (now.fingerprint, now.category) != (planned.fingerprint, planned.category):
        return RefusedSend(Rejection.TEMPLATE_NOT_APPROVED, f"{now.name} was changed after the campaign was created")
    return None


def answers_rejection(answers: AnswersTo | None, directory: Directory) -> Rejection | None:
    """Returns what keeps answers from going to somebody; None: nothing."""
    if answers is None:
        return None
    if answers.target.kind == "user":
        return None if answers.target.id in directory.users else Rejection.USER_UNKNOWN
    return None if answers.target.id in directory.skillsets else Rejection.SKILLSET_UNKNOWN


def start_refusal(body: StartCampaign, now: datetime) -> RefusedSend | None:
    """Returns what is wrong with the time of a start; None: nothing."""
    if body.at is not None and body.at < now - STARTS_AT_ONCE_WITHIN:
        return RefusedSend(Rejection.MALFORMED, "at: is in the past")
    if body.at is not None and body.at > now + STARTS_WITHIN:
        return RefusedSend(Rejection.MALFORMED, "at: is more than a year ahead")
    return None


def phones_of(written: Sequence[str]) -> list[str] | RefusedSend:
    """Returns phones, each once, as Meta writes them, or which of them is none."""
    found: dict[str, str] = {}
    for place, text in enumerate(written):
        phone = read_phone(text)
        if phone is None:
            return RefusedSend(Rejection.MALFORMED, f"to.{place}: must be a phone with its country code")
        found.setdefault(phone_key(phone), phone)
    return [*found.values()]


def _filled(template: Template) -> dict[str, str]:
    """Returns parameters that fit, for those that are read from a column."""
    found = dict.fromkeys(variables_of(template), _ANY)
    if HEADER in found and template.header_kind in _MEDIA:
        found[HEADER] = str(UUID(int=0))
    return found


def _wrong(detail: str) -> RefusedSend:
    return RefusedSend(Rejection.PARAMETERS_WRONG, detail)
