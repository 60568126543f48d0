"""What is wrong with an installation, judged from what its database says. The rules are shared with `witiop doctor`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.alarms.judging import AlarmSubject
from domain.alarms.kinds import AlarmDetails, AlarmKind
from domain.conversations.evidence.opening_hours import is_open, open_for
from domain.directory import Number

LAG = timedelta(minutes=2)
OUTBOX_SECONDS = 30.0
"""The relay publishes within a second."""
LATE_SECONDS = 120.0
"""Timer and routing act within seconds; both wait for messages that are processed late."""
SEND_SECONDS = 60.0
"""Sends that are due leave within a second; a number at its limit, or a pause of Meta's, takes longer."""
MAIL_SECONDS = 60.0
OUT_OF_DATE = timedelta(hours=1)
"""Templates are read every ten minutes."""
_LOW = frozenset({"RED", "LOW"})
"""Meta's word for the quality of a number that is about to be limited."""
_NAMES = 5
"""More numbers than this are not listed by name."""


@dataclass(frozen=True, slots=True)
class AlarmTerms:
    """`silent`: for so long within opening hours nothing may come from WhatsApp; None: for any time."""

    silent: timedelta | None = timedelta(minutes=120)


@dataclass(frozen=True, slots=True)
class AccountSign:
    """An account of Meta's. `failed`: whether it cannot be read; `restriction`: how Meta restricts it, '' if it does
    not."""

    id: str
    failed: bool
    restriction: str


@dataclass(frozen=True, slots=True)
class TemplateSign:
    """A template that Meta does not send at the moment."""

    account_id: str
    name: str
    language: str
    status: str


@dataclass(frozen=True, slots=True)
class PersonSign:
    """What a person asked to be told. `count`: conversations that run out within `minutes`."""

    name: str
    minutes: int
    count: int


@dataclass(frozen=True, slots=True)
class InstallationSigns:
    """What the database says of an installation. Times are in seconds, 0 if there is nothing that waits.

    `heard_at`: when something last came from WhatsApp; None: never. `ready`: the skillsets of each user who is ready;
    None: nobody was ever ready, as nobody answers here. `parked`: worker -> items. `held`: None: no restore is
    unconfirmed. `missing_standbys`: of the database, for which commits wait. `paused_numbers`: number -> why a person
    has to mend it. `low_numbers`: number -> quality. `campaigns`: id -> (name, why it paused itself). `called`: alarms
    of rules whose customer still waits."""

    now: datetime
    numbers: Sequence[Number] = ()
    heard_at: datetime | None = None
    ready: Collection[frozenset[str]] | None = None
    processed_until: datetime | None = None
    outbox_seconds: float = 0.0
    timer_seconds: float = 0.0
    routing_seconds: float = 0.0
    parked: Mapping[str, int] = field(default_factory=dict)
    held: int | None = None
    missing_standbys: int = 0
    dead_letters: int = 0
    unknown_sends: int = 0
    send_seconds: float = 0.0
    paused_numbers: Mapping[str, str] = field(default_factory=dict)
    low_numbers: Mapping[str, str] = field(default_factory=dict)
    templates: Sequence[TemplateSign] = ()
    accounts: Sequence[AccountSign] = ()
    unknown_mails: int = 0
    mail_seconds: float = 0.0
    mail_reason: str = ""
    campaigns: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    called: Mapping[AlarmSubject, AlarmDetails] = field(default_factory=dict)
    persons: Sequence[PersonSign] = ()


Condition = tuple[AlarmSubject, AlarmDetails]


def conditions(signs: InstallationSigns, terms: AlarmTerms) -> dict[AlarmSubject, AlarmDetails]:
    """Returns what is wrong, with what its alarms say."""
    return dict(
        each
        for found in (_flow(signs), _people(signs, terms), _sending(signs), _mails(signs), _campaigns(signs))
        for each in found
    ) | dict(signs.called)


def is_silent(numbers: Sequence[Number], heard_at: datetime, silent: timedelta, now: datetime) -> bool:
    """Returns whether a number that is open now has been open for so long since something came from WhatsApp."""
    return any(
        is_open(number, now) and (until := open_for(number, heard_at, silent)) is not None and until <= now
        for number in numbers
    )


def unattended(numbers: Sequence[Number], ready: Collection[frozenset[str]], now: datetime) -> list[Number]:
    """Returns the numbers that are open although nobody is ready who could answer there: of the skillsets that their
    menu leads to, or anybody if it leads to none."""
    return [
        number
        for number in numbers
        if is_open(number, now)
        and not any(not number.menu or not skillsets.isdisjoint(number.menu.values()) for skillsets in ready)
    ]


def _flow(signs: InstallationSigns) -> Iterator[Condition]:
    if signs.processed_until is not None and signs.now - signs.processed_until > LAG:
        minutes = _minutes((signs.now - signs.processed_until).total_seconds())
        yield AlarmSubject(AlarmKind.LAG), {"minutes": minutes}
    for kind, seconds, most in (
        (AlarmKind.OUTBOX_STUCK, signs.outbox_seconds, OUTBOX_SECONDS),
        (AlarmKind.TIMER_HELD, signs.timer_seconds, LATE_SECONDS),
        (AlarmKind.ROUTING_HELD, signs.routing_seconds, LATE_SECONDS),
        (AlarmKind.SENDS_STUCK, signs.send_seconds, SEND_SECONDS),
    ):
        if seconds > most:
            yield AlarmSubject(kind), {"minutes": _minutes(seconds)}
    for worker, count in signs.parked.items():
        yield AlarmSubject(AlarmKind.PARKED, worker), {"worker": worker, "count": count}
    if signs.held is not None:
        yield AlarmSubject(AlarmKind.RESTORE_HELD), {"count": signs.held}
    if signs.missing_standbys:
        yield AlarmSubject(AlarmKind.STANDBY_AWAY), {"count": signs.missing_standbys}
    if signs.dead_letters:
        yield AlarmSubject(AlarmKind.DEAD_LETTERS), {"count": signs.dead_letters}


def _people(signs: InstallationSigns, terms: AlarmTerms) -> Iterator[Condition]:
    heard_at = signs.heard_at
    if (
        terms.silent is not None
        and heard_at is not None
        and is_silent(signs.numbers, heard_at, terms.silent, signs.now)
    ):
        minutes = _minutes((signs.now - heard_at).total_seconds())
        yield AlarmSubject(AlarmKind.SILENT_WHATSAPP), {"minutes": minutes}
    if signs.ready is not None and (alone := unattended(signs.numbers, signs.ready, signs.now)):
        names = [number.name or number.phone_number_id for number in alone]
        more = [f"+{len(names) - _NAMES}"] if len(names) > _NAMES else []
        yield AlarmSubject(AlarmKind.NOBODY_READY), {"numbers": ", ".join([*names[:_NAMES], *more])}
    for person in signs.persons:
        if person.count:
            details: AlarmDetails = {"minutes": person.minutes, "count": person.count}
            yield AlarmSubject(AlarmKind.RUNNING_OUT, person.name), details


def _sending(signs: InstallationSigns) -> Iterator[Condition]:
    details: AlarmDetails
    names = {number.phone_number_id: number.name or number.phone_number_id for number in signs.numbers}
    if signs.unknown_sends:
        yield AlarmSubject(AlarmKind.UNKNOWN_SENDS), {"count": signs.unknown_sends}
    for number, reason in signs.paused_numbers.items():
        details = {"number": names.get(number, number), "reason": reason}
        yield AlarmSubject(AlarmKind.NUMBER_PAUSED, number), details
    for number, quality in signs.low_numbers.items():
        if quality in _LOW:
            details = {"number": names.get(number, number), "quality": quality}
            yield AlarmSubject(AlarmKind.NUMBER_QUALITY, number), details
    for template in signs.templates:
        key = f"{template.account_id}:{template.name}:{template.language}"
        details = {"template": template.name, "language": template.language, "status": template.status}
        yield AlarmSubject(AlarmKind.TEMPLATE_PAUSED, key), details
    for account in signs.accounts:
        if account.failed:
            yield AlarmSubject(AlarmKind.TOKEN_REFUSED, account.id), {"account": account.id}
        if account.restriction:
            details = {"account": account.id, "restriction": account.restriction}
            yield AlarmSubject(AlarmKind.ACCOUNT_RESTRICTED, account.id), details


def _mails(signs: InstallationSigns) -> Iterator[Condition]:
    details: AlarmDetails
    if signs.unknown_mails:
        yield AlarmSubject(AlarmKind.UNKNOWN_MAILS), {"count": signs.unknown_mails}
    if signs.mail_seconds > MAIL_SECONDS:
        details = {"minutes": _minutes(signs.mail_seconds), "reason": signs.mail_reason or "–"}
        yield AlarmSubject(AlarmKind.MAIL_PAUSED), details


def _campaigns(signs: InstallationSigns) -> Iterator[Condition]:
    for id_, (name, reason) in signs.campaigns.items():
        yield AlarmSubject(AlarmKind.CAMPAIGN_PAUSED, id_), {"campaign": name, "reason": reason}


def _minutes(seconds: float) -> int:
    return max(1, round(seconds / 60))
