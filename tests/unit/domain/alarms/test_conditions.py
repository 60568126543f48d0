"""What is wrong with an installation."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from domain.alarms.conditions import (
    AccountSign,
    AlarmTerms,
    InstallationSigns,
    PersonSign,
    TemplateSign,
    conditions,
)
from domain.alarms.judging import AlarmSubject
from domain.alarms.kinds import AlarmKind
from domain.directory import Number, Opening

MONDAY_NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOURS = (Opening(time(9), time(18)),)
SHOP = Number("100", "Shop", hours={"mon": HOURS, "tue": HOURS}, menu={"1": "sales"})
ALL_DAY = Number("200", "Night", menu={"1": "support"})
WELL = InstallationSigns(
    MONDAY_NOON,
    (SHOP,),
    heard_at=MONDAY_NOON - timedelta(minutes=3),
    ready=[frozenset({"sales"})],
    processed_until=MONDAY_NOON,
)
TERMS = AlarmTerms(timedelta(minutes=60))


def _kinds(signs: InstallationSigns, terms: AlarmTerms = TERMS) -> set[AlarmKind]:
    return {subject.kind for subject in conditions(signs, terms)}


def test_an_installation_that_works_calls_nobody() -> None:
    assert conditions(WELL, TERMS) == {}


def test_an_empty_first_installation_calls_nobody() -> None:
    """Nothing ever came, and nobody was ever ready: the page says what to do."""
    assert conditions(InstallationSigns(MONDAY_NOON, (SHOP,)), TERMS) == {}


@pytest.mark.parametrize(
    ("heard", "now", "silent"),
    [
        ("Mon 11:05", "Mon 12:00", False),
        ("Mon 11:00", "Mon 12:00", True),
        ("Mon 08:00", "Mon 09:55", False),  # it opened at 9
        ("Mon 08:00", "Mon 10:00", True),
        ("Mon 17:30", "Tue 09:29", False),  # half an hour before closing, and 29 minutes since it opened
        ("Mon 17:30", "Tue 09:30", True),
        ("Mon 11:00", "Mon 19:00", False),  # it is closed
    ],
)
def test_whatsapp_is_silent_when_nothing_came_for_an_hour_of_opening(heard: str, now: str, silent: bool) -> None:
    def at(text: str) -> datetime:
        day, clock = text.split()
        hour, minute = map(int, clock.split(":"))
        return MONDAY_NOON.replace(day=30, hour=hour, minute=minute) + timedelta(days=day == "Tue")

    signs = replace(WELL, heard_at=at(heard), now=at(now), processed_until=at(now))
    assert (AlarmKind.SILENT_WHATSAPP in _kinds(signs)) is silent
    assert AlarmKind.SILENT_WHATSAPP not in _kinds(signs, AlarmTerms(None))


def test_nobody_is_ready_at_a_number_whose_menu_leads_to_other_skillsets() -> None:
    signs = replace(WELL, numbers=(SHOP, ALL_DAY))
    assert conditions(signs, TERMS) == {AlarmSubject(AlarmKind.NOBODY_READY): {"numbers": "Night"}}
    assert _kinds(replace(signs, ready=[frozenset({"support", "sales"})])) == set()


def test_nobody_has_to_be_ready_when_a_number_is_closed() -> None:
    assert _kinds(replace(WELL, ready=[])) == {AlarmKind.NOBODY_READY}
    evening = replace(WELL, ready=[], now=MONDAY_NOON.replace(hour=20), processed_until=MONDAY_NOON.replace(hour=20))
    assert _kinds(evening) == set()


def test_many_numbers_without_anybody_are_named_in_part() -> None:
    numbers = [Number(str(n), f"Shop {n}") for n in range(8)]
    (details,) = conditions(replace(WELL, numbers=numbers, ready=[]), TERMS).values()
    assert details == {"numbers": "Shop 0, Shop 1, Shop 2, Shop 3, Shop 4, +3"}


def test_messages_that_are_processed_late_are_an_alarm() -> None:
    late = replace(WELL, processed_until=MONDAY_NOON - timedelta(minutes=7))
    assert conditions(late, TERMS) == {AlarmSubject(AlarmKind.LAG): {"minutes": 7}}


@pytest.mark.parametrize(
    ("change", "kind", "key"),
    [
        ({"outbox_seconds": 31.0}, AlarmKind.OUTBOX_STUCK, ""),
        ({"timer_seconds": 121.0}, AlarmKind.TIMER_HELD, ""),
        ({"routing_seconds": 121.0}, AlarmKind.ROUTING_HELD, ""),
        ({"parked": {"timer": 2}}, AlarmKind.PARKED, "timer"),
        ({"held": 0}, AlarmKind.RESTORE_HELD, ""),
        ({"missing_standbys": 1}, AlarmKind.STANDBY_AWAY, ""),
        ({"dead_letters": 1}, AlarmKind.DEAD_LETTERS, ""),
        ({"unknown_sends": 1}, AlarmKind.UNKNOWN_SENDS, ""),
        ({"send_seconds": 61.0}, AlarmKind.SENDS_STUCK, ""),
        ({"paused_numbers": {"100": "Meta's error 190"}}, AlarmKind.NUMBER_PAUSED, "100"),
        ({"low_numbers": {"100": "RED", "200": "GREEN"}}, AlarmKind.NUMBER_QUALITY, "100"),
        ({"templates": [TemplateSign("1", "sale", "it", "PAUSED")]}, AlarmKind.TEMPLATE_PAUSED, "1:sale:it"),
        ({"accounts": [AccountSign("1", True, "")]}, AlarmKind.TOKEN_REFUSED, "1"),
        ({"accounts": [AccountSign("1", False, "BLOCKED")]}, AlarmKind.ACCOUNT_RESTRICTED, "1"),
        ({"unknown_mails": 1}, AlarmKind.UNKNOWN_MAILS, ""),
        ({"mail_seconds": 61.0}, AlarmKind.MAIL_PAUSED, ""),
        ({"campaigns": {"c": ("Sale", "canary: 12 %")}}, AlarmKind.CAMPAIGN_PAUSED, "c"),
        ({"persons": [PersonSign("ada", 60, 2), PersonSign("ben", 60, 0)]}, AlarmKind.RUNNING_OUT, "ada"),
    ],
)
def test_each_trouble_is_an_alarm_of_its_own(change: dict[str, object], kind: AlarmKind, key: str) -> None:
    assert list(conditions(replace(WELL, **change), TERMS)) == [AlarmSubject(kind, key)]  # type: ignore[arg-type]
