"""Alarms about the system, judged from a real database."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from consumers.workers.alarms.judge import AlarmJudge
from domain.alarms.conditions import AlarmTerms, InstallationSigns, conditions
from domain.alarms.kinds import AlarmKind
from infra.postgres.alarms.judgements import judged_at, take_judging
from infra.postgres.alarms.personal import PersonalAlarm, running_out_of, write_personal_alarm
from infra.postgres.alarms.receivers import person_of
from infra.postgres.alarms.signs import read_signs
from infra.postgres.console import people
from infra.postgres.directory import DirectoryCache
from tests.support.office import Office, open_office
from tests.support.stories import NUMBER

TIMEOUT = timedelta(minutes=5)


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


def _judge(office: Office, silent_minutes: int | None = 120) -> AlarmJudge:
    terms = AlarmTerms(timedelta(minutes=silent_minutes) if silent_minutes else None)
    return AlarmJudge(office.connection.transaction_of, terms, TIMEOUT)


def _signs(office: Office) -> InstallationSigns:
    return read_signs(office.connection, DirectoryCache(), TIMEOUT)


def _kinds(office: Office) -> set[str]:
    return {subject.kind for subject in conditions(_signs(office), AlarmTerms())}


def _alarms(office: Office) -> list[tuple[Any, ...]]:
    rows = office.rows("select kind, key, ended_at is not null as ended, details from alarms order by id")
    return [tuple(row.values()) for row in rows]


def test_an_empty_first_installation_has_no_alarm(office: Office) -> None:
    assert _judge(office).judge()
    assert _alarms(office) == []
    assert judged_at(office.connection) is not None


def test_a_trouble_is_raised_once_says_what_is_true_now_and_ends(office: Office) -> None:
    judge = _judge(office)
    for reason in ("first", "second"):
        office.connection.execute(
            'insert into set_aside (id, kind, source, reason, received_at, raw, topic, partition, "offset") '
            "values (gen_random_uuid(), 'dead_letter', 'inbound', %s, now(), '', 't', 0, 0)",
            [reason],
        )
        judge.judge()
        judge.judge()
    assert _alarms(office) == [(AlarmKind.DEAD_LETTERS, "", False, {"count": 2})]
    office.connection.execute("update set_aside set redriven_at = now()")
    judge.judge()
    assert _alarms(office)[0][2] is False
    office.connection.execute("update alarm_conditions set gone_since = gone_since - interval '1 hour'")
    judge.judge()
    judge.judge()
    assert _alarms(office) == [(AlarmKind.DEAD_LETTERS, "", True, {"count": 2})]


def test_one_process_judges_at_a_time(office: Office, database: str) -> None:
    with psycopg.connect(database) as other, other.transaction():
        assert take_judging(other)
        assert not _judge(office).judge()
    assert _judge(office).judge()


def test_a_judge_that_starts_again_goes_on_where_the_last_one_was(office: Office) -> None:
    office.set_watermark("10 min")
    _judge(office).judge()
    assert _alarms(office) == []
    office.connection.execute("update alarm_conditions set since = since - interval '1 hour'")
    _judge(office).judge()
    assert [alarm[:3] for alarm in _alarms(office)] == [(AlarmKind.LAG, "", False)]


def test_whatsapp_was_heard_when_a_message_came_in(office: Office) -> None:
    assert _signs(office).heard_at is None
    office.customer_writes(hours_ago=3)
    assert AlarmKind.SILENT_WHATSAPP in _kinds(office)
    office.customer_writes(hours_ago=0)
    signs = _signs(office)
    assert signs.heard_at is not None
    assert signs.now - signs.heard_at < timedelta(minutes=1)
    assert AlarmKind.SILENT_WHATSAPP not in _kinds(office)


def test_nobody_is_ready_once_everybody_who_was_ready_has_gone(office: Office) -> None:
    assert _signs(office).ready is None
    office.presence("ben", "ready")
    assert _signs(office).ready == [frozenset({"sales", "support"})]
    assert AlarmKind.NOBODY_READY not in _kinds(office)
    office.presence("ben", "paused")
    assert AlarmKind.NOBODY_READY in _kinds(office)


def test_what_stands_still_is_seen(office: Office) -> None:
    office.customer_writes()
    assert _kinds(office) == set()
    office.connection.execute("update outbox set at = at - interval '1 hour'")
    office.connection.execute("update conversations set window_ends_at = now() - interval '1 hour'")
    assert {AlarmKind.OUTBOX_STUCK, AlarmKind.TIMER_HELD} <= _kinds(office)


def test_what_meta_refuses_is_seen(office: Office) -> None:
    office.connection.execute(
        "insert into lanes (phone_number_id, tokens, refilled_at, reason, needs_person, paused_until) "
        "values (%s, 1, now(), 'Meta''s error 190', true, now())",
        [NUMBER],
    )
    office.connection.execute(
        "insert into graph_accounts (account_id, failed_at, failure) values ('1', now(), 'HTTP 401')"
    )
    office.connection.execute(
        "insert into graph_numbers (phone_number_id, account_id, display, name, quality, throughput, synchronised_at) "
        "values (%s, '1', '+1 555', 'Shop', 'RED', 80, now())",
        [NUMBER],
    )
    office.connection.execute(
        "insert into templates (account_id, name, language, status, category, parameter_format, components, "
        "fingerprint, synchronised_at) values ('1', 'sale', 'it', 'PAUSED', 'MARKETING', 'NAMED', '[]', '', now()), "
        "('1', 'old', 'it', 'DISABLED', 'MARKETING', 'NAMED', '[]', '', now())"
    )
    office.connection.execute(
        "insert into meta_reports (account_id, kind, name, language, aspect, value, at, input_id) values "
        "('1', 'template', 'sale', 'it', 'status', 'PAUSED', now(), gen_random_uuid()), "
        "('1', 'template', 'old', 'it', 'status', 'DISABLED', now() - interval '4 days', gen_random_uuid())"
    )
    assert {
        AlarmKind.NUMBER_PAUSED,
        AlarmKind.TOKEN_REFUSED,
        AlarmKind.NUMBER_QUALITY,
        AlarmKind.TEMPLATE_PAUSED,
    } == _kinds(office)
    assert [template.name for template in _signs(office).templates] == ["sale"]


def test_the_call_of_a_rule_is_over_when_somebody_takes_care_of_the_customer(office: Office) -> None:
    conversation = office.customer_writes()
    office.connection.execute(
        "insert into alarms (kind, key, details, conversation_id, began_at) "
        "values ('rule', 'night:1', '{}', %s, now())",
        [conversation],
    )
    judge = _judge(office)
    judge.judge()
    assert _alarms(office) == [(AlarmKind.RULE, "night:1", False, {})]
    office.connection.execute("update conversations set unmanaged = false")
    judge.judge()
    assert _alarms(office) == [(AlarmKind.RULE, "night:1", True, {})]


def test_a_person_is_told_of_the_conversations_of_their_numbers_and_skillsets(office: Office) -> None:
    office.customer_writes(phone="16505550001", hours_ago=23.5)
    office.customer_writes(phone="16505550002", hours_ago=20)
    connection = office.connection
    people.create(connection, "anna", "hash", level="read_only")

    def count(wanted: PersonalAlarm) -> int:
        write_personal_alarm(connection, "anna", wanted)
        return running_out_of(connection, "anna")

    assert count(PersonalAlarm(60)) == 1
    assert count(PersonalAlarm(300)) == 2
    assert count(PersonalAlarm(60, ["another"])) == 0
    assert count(PersonalAlarm(60, [NUMBER])) == 1
    assert count(PersonalAlarm(60, (), ["sales"])) == 1  # its number's menu leads there
    assert count(PersonalAlarm(60, (), ["spare"])) == 0
    connection.execute(
        "insert into history (conversation_id, sequence, at, event, because, owner_kind, owner_id) "
        "select id, 900, now(), 'queued', '{}', 's', 'support' from conversations"
    )
    assert count(PersonalAlarm(60, (), ["sales"])) == 0
    assert count(PersonalAlarm(60, (), ["support"])) == 1
    assert [person.name for person in _signs(office).persons] == []
    write_personal_alarm(connection, "anna", PersonalAlarm(60, mail=True))
    assert [(person.name, person.count) for person in _signs(office).persons] == [("anna", 1)]
    write_personal_alarm(connection, "anna", None)
    assert running_out_of(connection, "anna") == 0


@pytest.mark.parametrize(("skillset", "customers"), [("sales", 1), ("spare", 0)])
def test_a_supervisor_is_told_of_customers_whom_the_menu_leads_to_them(
    office: Office, skillset: str, customers: int
) -> None:
    office.customer_writes(hours_ago=23.5)
    people.create(office.connection, "anna", "hash", level="supervisor", skillsets=[skillset])
    write_personal_alarm(office.connection, "anna", PersonalAlarm(60, mail=True))
    assert running_out_of(office.connection, "anna") == customers
    assert [person.count for person in _signs(office).persons] == [customers]


@pytest.mark.parametrize("change", ["disabled_at = now()", "level = 'agent'", "level = null"])
def test_who_does_not_see_the_list_any_more_is_told_nothing_of_it(office: Office, change: str) -> None:
    connection = office.connection
    office.customer_writes(hours_ago=23.5)
    people.create(connection, "anna", "hash", level="tenant_administrator")
    write_personal_alarm(connection, "anna", PersonalAlarm(60, mail=True))
    assert (len(_signs(office).persons), person_of(connection, "anna") is None) == (1, False)
    connection.execute(f"update sign_ins set {change} where name = 'anna'".encode())
    assert (_signs(office).persons, person_of(connection, "anna")) == ([], None)
