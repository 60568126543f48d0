"""`witiop doctor` on real servers: silent when all is well, and one line with a fix for everything that is not."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from pydantic import SecretStr

from domain.inbound.ses_events import IDENTITY_FEEDBACK, notice_id
from infra.kafka.consumer import OffsetRange
from infra.kafka.topics import TopicSettings, create_or_repair
from infra.postgres.lists.health import ConsumerPosition
from tests.support.databases import Databases
from witiop import settings
from witiop.installation import Installation
from witiop.operations.doctor import examine, exit_code, position_findings, report, skew_findings
from witiop.operations.findings import Finding
from witiop.operations.setup_steps import setup_steps, step_lines
from witiop.settings import Settings
from witiop.wiring import from_settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def installation(kafka: str, database: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an installation with topics and schema, as after `witiop topics` and `witiop migrate`."""
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
    _change(found, "insert into alarm_judge (judged_at) values (now() + interval '1 hour')")
    return found


def _findings(installation: Settings) -> list[Finding]:
    """Returns the findings without those about the tests' own server, which does not wait for its disk."""
    return [finding for finding in examine(installation) if not finding.what.endswith(" is off")]


def _change(installation: Settings, statement: str) -> None:
    with psycopg.connect(installation.postgres_dsn.get_secret_value()) as connection:
        connection.execute(statement)


def test_a_healthy_installation_has_no_findings(installation: Settings) -> None:
    """A check that always finds something is soon ignored."""
    assert _findings(installation) == []


def test_feedback_of_an_identity_is_found_while_it_arrives(installation: Settings) -> None:
    """A common wrong set-up: the notifications of the sender's identity instead of those of the configuration set."""
    arn = "arn:aws:sns:eu-west-1:123456789012:mails"
    today = datetime.now(UTC)
    for days in (9, 1):
        day = today - timedelta(days=days)
        id_ = notice_id(arn, IDENTITY_FEEDBACK, day.date())
        _change(
            installation,
            "insert into notices (input_id, sent_at, at, account_id, field, body) "
            f"values ('{id_}', '{day}', '{day}', '{arn}', '{IDENTITY_FEEDBACK}', '{{}}')",
        )
        found = _findings(installation.model_copy(update={"ses_topic_arns": (arn,)}))
        assert ([] if days > 3 else ["mails"]) == [finding.where for finding in found]
    assert f"SES sends the feedback of an identity to {arn}" in found[0].what


def test_a_server_that_can_lose_commits_is_found(installation: Settings) -> None:
    """The tests' own server does not wait for its disk."""
    assert [finding.what for finding in examine(installation)] == [
        "fsync is off",
        "full_page_writes is off",
        "synchronous_commit is off",
    ]


def test_a_new_installation_is_told_which_commands_to_run(installation: Settings, databases: Databases) -> None:
    """No topics, no schema."""
    bare = installation.model_copy(
        update={
            "kafka_topic_prefix": "bare.",
            "postgres_dsn": settings.load(postgres_dsn=databases.create_blank()).postgres_dsn,
        }
    )

    found = [(finding.where, finding.fix) for finding in _findings(bare)]

    assert ("kafka bare.witiop.inbound.v1", "run witiop topics") in found
    assert found[-1] == ("schema", "run witiop migrate; nothing else was checked")


def test_mails_of_unknown_outcome_and_overdue_mails_are_found(installation: Settings) -> None:
    """Each finding names the command to use."""
    _change(
        installation,
        "insert into mails (id, command_id, conversation_id, issuer, recipients, subject, body, masked, requested_at, "
        "held_until, due_at, state) select gen_random_uuid(), s, gen_random_uuid(), 'i', '{}', 's', 'b', false, now(), "
        "now(), now() - interval '2 minutes', s from unnest(array['unknown', 'requested', 'sent']) as t (s)",
    )
    unknown, overdue = _findings(installation)
    assert ("it is unknown whether 1 of them were sent", "mails") == (unknown.what, unknown.where)
    assert overdue.what.startswith("the oldest one due has been waiting for ")


def test_an_ses_that_does_not_answer_is_found(installation: Settings) -> None:
    """tests/contract/test_ses_survey.py covers an SES that answers but is set up wrong."""
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


def test_events_that_wait_in_the_outbox_are_found(installation: Settings) -> None:
    """The relay is not running, or it does not reach the brokers."""
    _change(
        installation,
        "insert into outbox (at, topic, key, headers, value) values (now() - interval '2 minutes', 't', 'k', '{}', '')",
    )
    (finding,) = _findings(installation)
    assert finding.where == "outbox"
    assert finding.what.startswith("the oldest event has been waiting for 12")


def test_events_that_can_never_be_published_are_found_with_what_readers_see(installation: Settings) -> None:
    """They do not count among the dead letters of the inbound topic, and are gone after a replay."""
    _change(
        installation,
        'insert into set_aside (id, kind, source, reason, received_at, raw, topic, partition, "offset", redriven_at) '
        "select gen_random_uuid(), 'dead_letter', 'outbox', 'r', now(), '', 't', -1, n, "
        "case when n > 3 then now() end from generate_series(1, 5) n",
    )
    (finding,) = _findings(installation)
    what = "3 events can never be published; readers of the topic see a gap in ce_sequence"
    assert (finding.where, finding.what) == ("outbox", what)
    assert "run witiop dead-letters replay" in finding.fix
    _change(installation, "update set_aside set redriven_at = now()")
    assert _findings(installation) == []


def test_dead_letters_are_counted_until_they_are_replayed(installation: Settings) -> None:
    """Each of them needs a person to look at it."""
    _change(
        installation,
        'insert into set_aside (id, kind, source, reason, received_at, raw, topic, partition, "offset", redriven_at) '
        "select gen_random_uuid(), 'dead_letter', 'inbound', 'r', now(), '', 't', 0, n, "
        "case when n > 2 then now() end from generate_series(1, 5) n",
    )
    (finding,) = _findings(installation)
    assert (finding.where, finding.what) == ("dead letters", "2 of kind dead_letter not replayed")


def test_counters_that_differ_from_the_list_are_found_and_their_fix_works(installation: Settings) -> None:
    """The list shows them as its totals."""
    _change(
        installation,
        "insert into numbers values ('1', 'Shop', 'UTC', false, null, '{}'); "
        "insert into unmanaged_counts values ('1', 'a', 3, 7), ('1', 'c', 3, 0)",
    )
    (finding,) = _findings(installation)
    assert (finding.where, finding.what) == ("counters", "number 1, status a, reason 3: counted 7, actually 0")

    _change(installation, finding.fix.removeprefix("run in the database: "))
    assert _findings(installation) == []


def test_counters_of_dismissed_conversations_that_are_wrong_are_found_and_their_fix_works(
    installation: Settings,
) -> None:
    _change(
        installation,
        "insert into numbers values ('1', 'Shop', 'UTC', false, null, '{}'); "
        "insert into dismissed_counts values ('1', 'c', 's', 7), ('1', 'a', 'n', 0)",
    )
    (finding,) = _findings(installation)
    assert (finding.where, finding.what) == ("counters", "number 1, status c, dismissed as s: counted 7, actually 0")

    _change(installation, finding.fix.removeprefix("run in the database: "))
    assert _findings(installation) == []


def test_unknown_numbers_and_unstaffed_skillsets_are_found(installation: Settings) -> None:
    """Nobody can take care of the customers who write there."""
    _change(
        installation,
        "insert into unmanaged_counts values ('2', 'a', 3, 0); "
        "insert into skillsets values ('sales', 'Sales'), ('help', 'Help'); "
        "insert into users values ('anna', 'Anna', 'anna@example.com', 'agent', 3, '{help}'); "
        """insert into numbers values ('1', 'Shop', 'UTC', false, null, '{"1": "sales", "2": "help"}')""",
    )
    assert [finding.what for finding in _findings(installation)] == [
        "customers write to the number 2, which is not in it",
        "a menu leads to sales, but no user has that skillset",
    ]


def test_the_steps_of_setting_up_are_judged_by_looking(installation: Settings) -> None:
    """As on the console's page: real clocks, and no certificate, as nothing here uses TLS."""
    steps = {step.id: step for step in setup_steps(installation)}
    assert {"PostgreSQL", "Kafka"} == {item.subject for item in steps["clocks"].items}
    assert ("done", "off", "waiting") == (
        steps["clocks"].state,
        steps["certificates"].state,
        steps["handshake"].state,
    )
    _change(installation, "insert into sightings values ('whatsapp_refused', '', now())")
    lines = list(step_lines(setup_steps(installation)))
    (signed,) = [line for line in lines if "Signed by your app" in line]
    assert signed.startswith("[trouble] Signed by your app: Meta posted something that was signed with another")
    assert any("[done] Kafka: agrees with this machine" in line for line in lines)


def test_trouble_of_a_step_ends_with_1_and_things_to_do_with_0(
    installation: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new installation that waits for Meta is healthy."""
    assert 0 == exit_code([], setup_steps(installation))
    _change(installation, "insert into sightings values ('whatsapp_refused', '', now())")
    assert 1 == exit_code([], setup_steps(installation))
    for name in ("kafka_topic_prefix", "kafka_partitions", "kafka_replication_factor"):
        monkeypatch.setenv(f"WITIOP_{name.upper()}", str(getattr(installation, name)))
    monkeypatch.setenv("WITIOP_KAFKA_BOOTSTRAP_SERVERS", ",".join(installation.kafka_bootstrap_servers))
    monkeypatch.setenv("WITIOP_POSTGRES_DSN", installation.postgres_dsn.get_secret_value())
    assert 1 == report(Installation(None), as_json=True)
    steps = {step["id"]: step for step in json.loads(capsys.readouterr().out)["steps"]}
    assert ("trouble", "waiting") == (steps["signature"]["state"], steps["handshake"]["state"])
    report(Installation(None), as_json=False)
    assert "[waiting] Callback URL: Meta has not called the callback URL yet." in capsys.readouterr().out


def test_without_our_schema_there_are_no_steps(installation: Settings, databases: Databases) -> None:
    bare = settings.load(postgres_dsn=databases.create_blank()).postgres_dsn
    assert [] == setup_steps(installation.model_copy(update={"postgres_dsn": bare}))


def test_a_misspelt_variable_is_found(installation: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would otherwise be ignored silently."""
    monkeypatch.setenv("WITIOP_KAFKA_PARTITION", "12")
    (finding,) = _findings(installation)
    assert finding.what == "there is no setting WITIOP_KAFKA_PARTITION"


def test_every_server_that_does_not_answer_is_reported_and_ends_with_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A server that is down does not hide another one."""
    monkeypatch.setenv("WITIOP_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("WITIOP_POSTGRES_DSN", "host=127.0.0.1 port=1")

    code = report(Installation(None), as_json=True)

    document = json.loads(capsys.readouterr().out)
    assert code == 3
    assert [found["where"] for found in document["findings"] if found["unreachable"]] == ["kafka", "postgres"]


HELD = {("inbound", 0): OffsetRange(100, 200)}


@pytest.mark.parametrize(
    ("position", "what"),
    [
        (ConsumerPosition("g", "inbound", 0, 200, 900, 0), []),
        (ConsumerPosition("g", "inbound", 0, 150, 5, 0), []),
        (ConsumerPosition("g", "inbound", 0, 150, 90, 0), ["50 records waiting, no progress for 90 s"]),
        (ConsumerPosition("g", "inbound", 0, 60, 5, 0), ["the brokers deleted 40 records that were not read yet"]),
        (ConsumerPosition("g", "inbound", 0, 200, 5, 7), ["the brokers deleted 7 records before they were read"]),
        (ConsumerPosition("g", "inbound", 0, 300, 5, 0), ["read up to 300, but the partition ends at 200"]),
        (None, ["no consumer has started reading its 100 records"]),
    ],
)
def test_consumer_positions_are_compared_with_the_offsets_of_the_brokers(
    position: ConsumerPosition | None, what: list[str]
) -> None:
    """Waiting records are normal; records without progress, and lost records, are not."""
    found = list(position_findings(HELD, [position] if position else []))
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
def test_a_clock_is_wrong_when_the_round_trip_does_not_explain_the_difference(
    theirs: datetime, what: list[str]
) -> None:
    """The query was sent at NOW and answered a second later."""
    found = list(skew_findings("postgres", theirs, NOW, NOW + timedelta(seconds=1)))
    assert [finding.what for finding in found] == what


def test_what_only_the_alarms_know_is_found_and_what_keeps_them_from_people(installation: Settings) -> None:
    _change(
        installation,
        "update alarm_judge set judged_at = now() - interval '2 minutes'; "
        "insert into alarms (kind, key, details, began_at) values "
        "('silent_whatsapp', '', '{\"minutes\": 130}', now()), "
        "('dead_letters', '', '{}', now()); "
        "insert into alarm_channels (id, name, form, address, shown, secret, language, level, system, shows_customer, "
        "actor, changed_at) select '00000000-0000-0000-0000-000000000001', 'team', 'text', 'https://x', 'x', '', 'en', "
        "'amber', true, false, 'boss', now(); "
        "insert into alarm_deliveries (alarm_id, channel_id, change, state, due_at, created_at, problem) "
        "select id, '00000000-0000-0000-0000-000000000001', 'began', 'failed', now(), now(), 'http_404' from alarms "
        "where kind = 'dead_letters'",
    )
    assert {
        "nobody has looked for a minute or longer for troubles of this installation",
        "Nothing has come from WhatsApp for 130 minutes during opening hours",
        "a channel could not be told (http_404)",
    } == {finding.what for finding in _findings(installation)}


def test_what_workers_have_parked_is_found_by_worker_and_reason(installation: Settings) -> None:
    _change(
        installation,
        "insert into parked (worker, item, reason, since, until) "
        f"values ('timer', '{UUID(int=0)}', 'SQLSTATE 23505', '2026-01-01 10:00Z', now() + interval '5 min'), "
        f"('routing', '{UUID(int=0)}', 'QueryCanceled', '2026-01-01 10:00Z', now() - interval '1 s')",
    )
    (finding,) = _findings(installation)
    assert ("timer", f"1 parked since 2026-01-01 10:00 UTC (SQLSTATE 23505), e.g. {UUID(int=0)}") == (
        finding.where,
        finding.what,
    )


def test_what_keeps_messages_from_customers_is_found(installation: Settings) -> None:
    """Sending is on without a token, an account cannot be read or reports nothing, a number is paused, messages wait,
    and of one it is unknown whether it was sent."""
    _change(
        installation,
        "insert into sends (id, command_id, phone_number_id, address, address_kind, recipient, kind, lane, content, "
        "actor, is_word, is_claim, needs_window, requested_at, held_until, due_at, state, secret) "
        "select gen_random_uuid(), state, '1', '2', 'phone', '2', 'text', 0, '{}', 'anna', true, true, true, now(), "
        "now(), now() - interval '2 minutes', state, '' from unnest(array['queued', 'unknown']) as t (state)",
    )
    _change(
        installation,
        "insert into graph_accounts (account_id, synchronised_at, subscribed, failure) values "
        "('a', now(), false, null), ('b', now() - interval '2 hours', true, null), ('c', null, null, 'HTTP 500')",
    )
    _change(
        installation,
        "insert into lanes (phone_number_id, tokens, refilled_at, templates_paused_until, reason) "
        "values ('1', 1, now(), now() + interval '1 hour', 'Meta''s error 131048')",
    )
    off = [(f.where, f.what) for f in _findings(installation)]
    assert [
        ("messages", "it is unknown whether 1 of them were sent"),
        ("messages", "sending is off, and 1 wait"),
    ] == off
    sending = installation.model_copy(update={"sending_enabled": True, "whatsapp_accounts": ("a", "b", "c")})
    on = [(f.where, f.what.split(":")[0].split(" for ")[0]) for f in _findings(sending)]
    assert [
        ("messages", "it is unknown whether 1 of them were sent"),
        ("messages", "the oldest one due has been waiting"),
        ("whatsapp", "sending is on, and there is no access token"),
        ("whatsapp account a", "Meta reports nothing about this account"),
        ("whatsapp account b", "templates are out of date"),
        ("whatsapp account c", "no templates"),
        ("number 1", "its templates may not send now"),
    ] == on


def test_a_token_that_meta_refuses_is_found_and_never_printed(
    installation: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """The account cannot be read with it, and the number that it sends from is paused."""
    _change(
        installation,
        "insert into graph_accounts (account_id, failed_at, failure) values ('a', now(), 'Meta''s error 190')",
    )
    _change(
        installation,
        "insert into lanes (phone_number_id, tokens, refilled_at, paused_until, reason, needs_person) "
        "values ('1', 1, now(), now() + interval '1 minute', 'Meta''s error 190', true)",
    )
    sending = installation.model_copy(
        update={
            "sending_enabled": True,
            "whatsapp_accounts": ("a",),
            "whatsapp_access_token": SecretStr("EAAG-not-valid-any-more"),
        }
    )
    found = _findings(sending)
    assert [
        ("whatsapp account a", "no templates: Meta's error 190"),
        ("number 1", "it may not send now: Meta's error 190"),
    ] == [(finding.where, finding.what) for finding in found]
    assert "the token" in found[0].fix
    assert "EAAG" not in f"{found} {capsys.readouterr()}"


def test_what_keeps_files_of_customers_from_people_is_found(installation: Settings) -> None:
    """Nobody fetches them, or there is no bucket for them; and Meta had some no longer."""
    _change(
        installation,
        "insert into media "
        "(message_id, phone_number_id, meta_id, kind, expires_at, state, next_at, reason, settled_at) "
        "values (gen_random_uuid(), '1', '7', 'image', now(), 'waiting', now() - interval '2 minutes', null, null), "
        "(gen_random_uuid(), '1', '8', 'image', now(), 'failed', now(), 'Meta does not have it', now()), "
        "(gen_random_uuid(), '1', '9', 'image', now(), 'failed', now(), 'long ago', now() - interval '8 days')",
    )
    lost = ("media", "files of the last seven days that were not fetched: 1; the latest because: Meta does not have it")
    bucket = "customers send files, and there is no bucket to keep them; Meta deletes them after seven days"
    assert [("media", bucket), lost] == [(found.where, found.what) for found in _findings(installation)]


def test_a_store_of_files_that_does_not_answer_is_found(installation: Settings) -> None:
    """tests/contract/test_media_store.py covers a store that answers."""
    _change(
        installation,
        "insert into media (message_id, phone_number_id, meta_id, kind, expires_at, next_at) "
        "values (gen_random_uuid(), '1', '7', 'image', now(), now() - interval '2 minutes')",
    )
    away = installation.model_copy(
        update={
            "media_bucket": "files",
            "media_region": "eu-west-1",
            "media_endpoint": "http://127.0.0.1:1",
            "media_access_key_id": "x",
            "media_secret_access_key": SecretStr("secret-key"),
        }
    )
    waiting, store = _findings(away)
    assert waiting.what.startswith("the file that is longest due has been waiting for 12")
    assert ("media", "the store could not be reached (EndpointConnectionError)", True) == (
        store.where,
        store.what,
        store.unreachable,
    )
    assert "secret-key" not in str((waiting, store))
