"""Events of Softbot (interface.md, *Softbot and agent desktop events*)."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from domain.facts import (
    BotChoice,
    BotHandoff,
    BotMenuShown,
    BotMessage,
    BotSessionEnded,
    BotSessionStarted,
    Fact,
)
from domain.inbound.cloudevents import EventCustomer, EventData, EventText, EventType, Id, NumberId, read_events


class _Session(EventData):
    phone_number_id: NumberId
    customer: EventCustomer
    session_id: Id


class _Message(_Session):
    text: EventText
    wamid: Id | None = None


class _Option(EventData):
    id: Id
    title: EventText


_MAX_OPTIONS = 1000


class _Menu(_Session):
    # a million invalid options are one problem
    options: Annotated[tuple[_Option, ...], Field(fail_fast=True), AfterValidator(lambda all_: all_[:_MAX_OPTIONS])]


class _Choice(_Session):
    option_id: Id
    skillset: Id | None = None


class _Handoff(_Session):
    skillset: Id


class _End(_Session):
    outcome: EventText | None = None


CONTRACT = {
    "witiop.softbot.session.started.v1": EventType(_Session, BotSessionStarted),
    "witiop.softbot.message.sent.v1": EventType(_Message, BotMessage),
    "witiop.softbot.menu.shown.v1": EventType(_Menu, BotMenuShown),
    "witiop.softbot.choice.made.v1": EventType(_Choice, BotChoice),
    "witiop.softbot.handoff.requested.v1": EventType(_Handoff, BotHandoff),
    "witiop.softbot.session.ended.v1": EventType(_End, BotSessionEnded),
}
"""All event types that Softbot may send."""


def read_softbot(body: bytes, batch: bool, received_at: datetime) -> list[Fact]:
    """Returns the facts of one CloudEvent, or of a batch. Raises InvalidEvents if any event is invalid."""
    return read_events(body, batch, received_at, CONTRACT)
