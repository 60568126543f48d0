"""`witiop doctor` on real servers: silent when all is well, and one line with a cure for everything that is not."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from pydantic import SecretStr

from infra.kafka.consumer import OffsetRange
from infra.kafka.topics import TopicSettings, create_or_repair
from infra.postgres.lists.health import ConsumerPosition
from tests.support.databases import Databases
from witiop import settings
from witiop.installation import Installation
from witiop.operations.doctor import Finding, examine, reading_findings, report, skew_findings
from witiop.settings import Settings
from witiop.wiring import from_settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def installation(kafka: str, database: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """One with topics and schema, as after `witiop topics` and `witiop migrate`."""
    for name in settings.unknown_variables():
        monkeypatch.delenv(name)
    found = settings.load(
        kafka_bootstrap_servers=kafka,
        kafka_topic_prefix=f"d{uuid4().hex[:8]}.",
        kafka_partitions=1,
        kafka_replication_factor=1,
        postgres_dsn=database,
    )
    create_or_repair(from_settings.kafka_config(found), from_settings.topics(found), TopicSettings(1, 1))
    return found


def _findings(installation: Settings) -> list[Finding]:
    """Without what is said about the tests' server, which does not wait for its disk."""
    return [finding for finding in examine(installation) if not finding.what.endswith(" is off")]


def _change(installation: Settings, statement: str) -> None:
    with psycopg.connect(installation.postgres_dsn.get_secret_value()) as connection:
        connection.execute(statement)


def test_nothing_is_found_where_nothing_is_wrong(installation: Settings) -> None:
    """A doctor that always finds something is not called."""
    assert _findings(installation) == []


def test_a_server_that_can_forget_what_it_committed_is_found(installation: Settings) -> None:
    """As the tests' own, which does not wait for its disk."""
    assert [finding.what for finding in examine(installation)] == [
        "fsync is off",
        "full_page_writes is off",
        "synchronous_commit is off",
    ]


def test_an_installation_before_its_first_start_is_told_what_to_run(
    installation: Settings, databases: Databases
) -> None:
    """No topics, no schema."""
    bare = installation.model_copy(
        update={
            "kafka_topic_prefix": "bare.",
            "postgres_dsn": settings.load(postgres_dsn=databases.create_blank()).postgres_dsn,
        }
    )

    found = [(finding.where, finding.cure) for finding in _findings(bare)]

    assert ("kafka bare.witiop.inbound.v1", "run witiop topics") in found
    assert found[-1] == ("schema", "run witiop migrate; nothing else was looked at")


def test_mails_that_nobody_knows_of_or_nobody_sends_are_found(installation: Settings) -> None:
    """Each with the command that helps."""
    _change(
        installation,
        "insert into mails (id, command_id, conversation_id, issuer, recipients, subject, body, masked, requested_at, "
        "held_until, due_at, state) select gen_random_uuid(), s, gen_random_uuid(), 'i', '{}', 's', 'b', false, now(), "
        "now(), now() - interval '2 minutes', s from unnest(array['unknown', 'requested', 'sent']) as t (s)",
    )
    unknown, overdue = _findings(installation)
    assert ("of 1 nobody knows whether they were sent", "mails") == (unknown.what, unknown.where)
    assert overdue.what.startswith("the oldest that is due has waited 12")


def test_an_ses_that_does_not_answer_is_found(installation: Settings) -> None:
    """And one that lacks what we need (tests/contract/test_mailer.py)."""
    away = installation.model_copy(
        update={
            "ses_region": "eu-west-1",
            "ses_endpoint": "http://127.0.0.1:1",
            "ses_sender": "a@example.com",
            "ses_configuration_set": "x",
            "ses_access_key_id": "x",
            "ses_secret_access_key": SecretStr("x"),
        }
    )
    assert [("ses", "EndpointConnectionError", True)] == [(f.where, f.what, f.unreachable) for f in _findings(away)]


def test_events_that_nobody_publishes_are_found(installation: Settings) -> None:
    """The relay does not run, or does not reach the brokers."""
    _change(
        installation,
        "insert into outbox (at, topic, key, headers, value) values (now() - interval '2 minutes', 't', 'k', '{}', '')",
    )
    (finding,) = _findings(installation)
    assert finding.where == "outbox"
    assert finding.what.startswith("its oldest event has waited 12")


def test_what_was_set_aside_is_counted_until_it_was_sent_through_again(installation: Settings) -> None:
    """Somebody has to look at it."""
    _change(
        installation,
        'insert into set_aside (id, kind, source, reason, received_at, raw, topic, partition, "offset", redriven_at) '
        "select gen_random_uuid(), 'dead_letter', 'inbound', 'r', now(), '', 't', 0, n, "
        "case when n > 2 then now() end from generate_series(1, 5) n",
    )
    (finding,) = _findings(installation)
    assert (finding.where, finding.what) == ("set aside", "2 of kind dead_letter wait")


def test_counters_that_differ_from_the_list_are_found_and_their_cure_works(installation: Settings) -> None:
    """The list shows them as its totals."""
    _change(
        installation,
        "insert into numbers values ('1', 'Shop', 'UTC', false, null, '{}'); "
        "insert into unmanaged_counts values ('1', 'a', 3, 7), ('1', 'c', 3, 0)",
    )
    (finding,) = _findings(installation)
    assert (finding.where, finding.what) == ("counters", "number 1, status a, reason 3: 7 counted, 0 there")

    _change(installation, finding.cure.removeprefix("say to the database: "))
    assert _findings(installation) == []


def test_numbers_and_skillsets_that_lead_nowhere_are_found(installation: Settings) -> None:
    """Customers write, and nobody can take what they wrote."""
    _change(
        installation,
        "insert into unmanaged_counts values ('2', 'a', 3, 0); "
        "insert into skillsets values ('sales', 'Sales'), ('help', 'Help'); "
        "insert into users values ('anna', 'Anna', 'anna@example.com', 'agent', 3, '{help}'); "
        """insert into numbers values ('1', 'Shop', 'UTC', false, null, '{"1": "sales", "2": "help"}')""",
    )
    assert [finding.what for finding in _findings(installation)] == [
        "customers write to the number 2, which it does not know",
        "a menu leads to sales, but no user has that skillset",
    ]


def test_a_misspelt_variable_is_found(installation: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would otherwise be ignored without a word."""
    monkeypatch.setenv("WITIOP_KAFKA_PARTITION", "12")
    (finding,) = _findings(installation)
    assert finding.what == "no setting is called WITIOP_KAFKA_PARTITION"


def test_servers_that_do_not_answer_are_told_each_and_end_with_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One that is away does not hide the other."""
    monkeypatch.setenv("WITIOP_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("WITIOP_POSTGRES_DSN", "host=127.0.0.1 port=1")

    code = report(Installation(None), as_json=True)

    document = json.loads(capsys.readouterr().out)
    assert code == 3
    assert [found["where"] for found in document["findings"] if found["unreachable"]] == ["kafka", "postgres"]


HELD = {("inbound", 0): OffsetRange(100, 200)}


@pytest.mark.parametrize(
    ("reading", "what"),
    [
        (ConsumerPosition("g", "inbound", 0, 200, 900, 0), []),
        (ConsumerPosition("g", "inbound", 0, 150, 5, 0), []),
        (ConsumerPosition("g", "inbound", 0, 150, 90, 0), ["50 records wait, no progress for 90 s"]),
        (ConsumerPosition("g", "inbound", 0, 60, 5, 0), ["the brokers deleted 40 records that nobody has read"]),
        (ConsumerPosition("g", "inbound", 0, 200, 5, 7), ["the brokers deleted 7 records before they were read"]),
        (ConsumerPosition("g", "inbound", 0, 300, 5, 0), ["read up to 300, but it ends at 200"]),
        (None, ["100 records that nobody began to read"]),
    ],
)
def test_how_far_the_consumers_came_is_compared_with_what_the_brokers_hold(
    reading: ConsumerPosition | None, what: list[str]
) -> None:
    """Waiting is normal; standing still with something waiting, and losing, is not."""
    found = list(reading_findings(HELD, [reading] if reading else []))
    assert [finding.what for finding in found] == what


@pytest.mark.parametrize(
    ("theirs", "what"),
    [
        (NOW + timedelta(seconds=3), []),
        (NOW - timedelta(seconds=2), []),
        (NOW + timedelta(seconds=10), ["its clock is 9 s ahead of this machine's"]),
        (NOW - timedelta(hours=1), ["its clock is 3600 s behind this machine's"]),
    ],
)
def test_a_clock_is_wrong_when_the_time_of_the_answer_does_not_explain_it(theirs: datetime, what: list[str]) -> None:
    """The question was asked at NOW and answered a second later."""
    found = list(skew_findings("postgres", theirs, NOW, NOW + timedelta(seconds=1)))
    assert [finding.what for finding in found] == what
