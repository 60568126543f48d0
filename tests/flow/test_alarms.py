"""The process `alarms` with its own role in the database: a trouble reaches a team's webhook, also after a crash."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from domain.alarms.channels import AlarmChannel, ChannelSecrets
from infra.postgres.alarms.channels import add_channel
from infra.postgres.connections.pool import connect
from infra.process.crash_points import EXIT_CODE
from tests.support.listener import Listener, listening
from tests.support.system import System
from tests.support.waiting import wait_until


@pytest.fixture
def team() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


def _prepare(system: System, team: Listener) -> None:
    with connect(system.dsn, "test", autocommit=True) as connection:
        channel = AlarmChannel(uuid4(), "team", "text", "shown", "it", "amber", True, False)
        add_channel(connection, channel, ChannelSecrets(team.url, "secret"), "boss")
        connection.execute(
            'insert into set_aside (id, kind, source, reason, received_at, raw, topic, partition, "offset") '
            "values (gen_random_uuid(), 'dead_letter', 'inbound', 'x', now(), '', 't', 0, 0)"
        )


def _is_told(team: Listener) -> bool:
    with team.lock:
        return bool(team.received)


def test_a_trouble_reaches_the_team_in_its_language(system: System, team: Listener) -> None:
    _prepare(system, team)
    (alarms,) = system.run("alarms", alarm_private_hosts="127.0.0.1")
    wait_until(lambda: _is_told(team))
    assert "Record che non " in team.received[0].body.decode()
    assert alarms.stop() == 0
    assert len(team.received) == 1


@pytest.mark.parametrize("point", ["alarms.before-judgement-commit", "alarms.after-claim", "alarms.after-telling"])
def test_a_crash_at_any_point_loses_no_alarm_and_its_repeat_is_recognised(
    system: System, team: Listener, point: str
) -> None:
    _prepare(system, team)
    (alarms,) = system.start("alarms", crash_at=point, alarm_private_hosts="127.0.0.1")
    assert alarms.wait_end() == EXIT_CODE
    with connect(system.dsn, "test", autocommit=True) as connection:
        connection.execute("update alarm_deliveries set due_at = now() where state = 'sending'")
        system.run("alarms", alarm_private_hosts="127.0.0.1")
        wait_until(
            lambda: (
                connection.execute("select count(*) from alarm_deliveries where state = 'delivered'").fetchone() == (1,)
            )
        )
        (row,) = connection.execute("select id from alarm_deliveries").fetchall()
    assert {each.headers["Idempotency-Key"] for each in team.received} == {str(row[0])}
    assert len(team.received) == (2 if point == "alarms.after-telling" else 1)
