"""Alarms with the privileges that the processes really have."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection
from psycopg.errors import InsufficientPrivilege

from consumers.workers.alarms.judge import AlarmJudge
from consumers.workers.alarms.telling import AlarmTelling, TellingMeans
from domain.alarms.channels import AlarmChannel, ChannelSecrets
from domain.alarms.conditions import AlarmTerms
from domain.alarms.judging import AlarmSubject
from domain.alarms.kinds import AlarmKind
from infra.hooks.poster import HookPoster
from infra.postgres.alarms.board import read_health
from infra.postgres.alarms.channels import add_channel, channels, remove_channel, secrets_of
from infra.postgres.alarms.deliveries import request_test
from infra.postgres.alarms.listing import latest_deliveries, listed_open, listed_past
from infra.postgres.alarms.personal import PersonalAlarm, personal_alarm, running_out_of, write_personal_alarm
from infra.postgres.alarms.silences import silence
from infra.postgres.connections.clock import database_now
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.roles import RoleProcess, provide, role_of


@contextmanager
def as_role(dsn: str, process: RoleProcess) -> Iterator[Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as owner:
        provide(owner)
        (database,) = owner.execute("select current_database()").fetchone() or ("",)
        owner.execute(f"set role {role_of(process, database)}".encode())
        yield owner


def test_the_console_may_do_with_alarms_what_its_pages_do_and_reads_no_address(database: str) -> None:
    with as_role(database, "console") as connection:
        channel = AlarmChannel(uuid4(), "team", "text", "x", "en", "amber", True, False)
        assert add_channel(connection, channel, ChannelSecrets("https://example.com/secret", "s"), "boss")
        request_test(connection, channel.id, "team", "boss")
        silence(connection, AlarmSubject(AlarmKind.LAG), database_now(connection), "boss")
        write_personal_alarm(connection, "boss", PersonalAlarm(60, skillsets=["sales"]))
        assert personal_alarm(connection, "boss") is not None
        assert running_out_of(connection, "boss") == 0
        assert read_health(connection).alarms == []
        assert (listed_open(connection), len(listed_past(connection, 10).rows)) == ([], 1)
        assert list(latest_deliveries(connection)) == [channel.id] == [each.id for each in channels(connection)]
        with pytest.raises(InsufficientPrivilege):
            secrets_of(connection, channel.id)
        assert remove_channel(connection, channel.id, "boss")


def test_the_process_alarms_may_judge_and_tell(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        provide(owner, {"alarms": "a password"})
        (name,) = owner.execute("select current_database()").fetchone() or ("",)
        owner.execute("insert into sign_ins (name, password) values ('boss', 'x')")
        write_personal_alarm(owner, "boss", PersonalAlarm(60, mail=True))
        channel = AlarmChannel(uuid4(), "team", "text", "x", "en", "amber", True, True)
        add_channel(owner, channel, ChannelSecrets("https://10.0.0.1/", "s"), "boss")
        request_test(owner, channel.id, "team", "boss")
        owner.execute(
            "insert into alarms (kind, key, details, conversation_id, began_at) "
            "values ('rule', 'a', '{}', gen_random_uuid(), now()), ('running_out', 'boss', '{}', null, now())"
        )
    dsn = psycopg.conninfo.make_conninfo(database, user=role_of("alarms", name), password="a password")
    session = DatabaseSession(dsn, "test")
    judge = AlarmJudge(session.transaction, AlarmTerms(), timedelta(minutes=5))
    assert judge.judge()
    judge.announce()
    telling = AlarmTelling(session.transaction, TellingMeans(HookPoster(), lambda _: str))
    while telling.poll() == 0.0:
        pass
    session.close()
    with psycopg.connect(database) as owner:
        rows = owner.execute("select distinct problem from alarm_deliveries order by 1").fetchall()
    assert rows == [("no_address",), ("private_address",)]
