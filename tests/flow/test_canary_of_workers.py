"""I11 for what works beside the conversations: rules, alarms, analytics, campaigns, mails and the console meet a
customer's identity and texts, do their work with them, and fail on them; no log line, metric, header or message to the
team has them."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from domain.alarms.channels import AlarmChannel, ChannelSecrets
from domain.command_bodies.campaigns import StartCampaign
from infra.local.ports import LOOPBACK, free_port
from infra.local.ses import BUCKET, CONFIGURATION_SET, KEY, REGION, SENDER, LocalSes
from infra.local.simulator.bodies import SimulatedCustomer, WebhookPost
from infra.local.simulator.chat import Story
from infra.passwords import Passwords
from infra.postgres import directory
from infra.postgres.alarms.channels import add_channel
from infra.postgres.console import people
from tests.flow.test_campaigns import CampaignOffice
from tests.support.canary import ACCESS_TOKEN, CANARY, LINES, MARKS, TEXT, from_canary
from tests.support.console import BOSS, PASSWORD, field
from tests.support.graph import ACCOUNT, Graph, graph_running
from tests.support.kafka_topics import read_all
from tests.support.listener import Listener, listening
from tests.support.rule_room import reserve
from tests.support.stories import DIRECTORY, NUMBER
from tests.support.system import System, Worker
from tests.support.waiting import wait_until
from tests.support.webhook_app import APP_SECRETS

NAMES = (
    *("webhook", "conversations", "commands", "relay", "routing", "timer", "mails", "sender"),
    *("campaigns", "analytics", "alarms", "rules", "console"),
)
ANOTHER = SimulatedCustomer(CANARY.name, f"{CANARY.wa_id}9", "IT.66600029")
FAILING = {
    "analytics": "conversation_words",
    "campaigns": "recipients",
    "rules": "rule_acts",
    "mails": "mail_log",
    "alarms": "alarm_deliveries",
}
"""Process -> a table into which it writes: the database refuses the row and quotes it in its error."""


@pytest.fixture
def graph(system: System) -> Iterator[Graph]:
    faults = ["status-delays=0/0/0"]
    with graph_running(
        token=ACCESS_TOKEN, webhook_url=system.webhooks.url, app_secret=APP_SECRETS[0], faults=faults
    ) as g:
        yield g


@pytest.fixture
def team() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture
def ses(tmp_path: Path) -> Iterator[LocalSes]:
    with LocalSes(tmp_path / "ses") as server:
        yield server


def test_what_workers_do_about_a_customer_and_their_failures_name_nobody(
    system: System, graph: Graph, team: Listener, ses: LocalSes
) -> None:
    port = free_port()
    settings: dict[str, Any] = {
        "log_level": "debug",
        "sending_enabled": True,
        "graph_url": graph.url,
        "whatsapp_access_token": ACCESS_TOKEN,
        "whatsapp_accounts": ACCOUNT,
        "ses_endpoint": ses.endpoint,
        "ses_region": REGION,
        "ses_sender": SENDER,
        "ses_configuration_set": CONFIGURATION_SET,
        "ses_access_key_id": KEY[0],
        "ses_secret_access_key": KEY[1],
        "media_bucket": BUCKET,
        "media_region": REGION,
        "media_endpoint": ses.endpoint,
        "media_access_key_id": KEY[0],
        "media_secret_access_key": KEY[1],
        "alarm_private_hosts": LOOPBACK,
        "console_port": port,
    }
    with (
        psycopg.connect(system.dsn, autocommit=True) as connection,
        closing(CampaignOffice(system, graph, connection)) as office,
    ):
        prepare(connection, team)
        workers = {worker.name: worker for worker in system.run(*NAMES, **settings)}
        wait_until(lambda: office.rows("select from templates where name = 'autumn_check'"))
        a_customer_is_rescued_told_counted_and_written_to(system, office, team)
        people_look_at_the_customer(port, office)
        texts = [text for worker in workers.values() for text in (worker.metrics(), str(worker.not_ready_reason()))]
        everything_fails(system, office, workers)
    records = [record for topic in system.topics.all for record in read_all(system.kafka, topic)]
    assert {system.topics.inbound, system.topics.results, system.topics.campaigns} <= {r.topic for r in records}
    texts += [str(record.headers) for record in records]
    texts += [f"{received.headers} {received.body.decode()}" for received in team.received]
    for text in (*texts, *system.logs()):
        assert [] == [mark for mark in MARKS if mark.lower() in text.lower()]


def prepare(connection: Connection[Any], team: Listener) -> None:
    """A rule that acts soon, a channel for alarms, and an administrator."""
    directory.apply(connection, replace(DIRECTORY, rules=(reserve(left=timedelta(hours=2)),)))
    channel = AlarmChannel(uuid4(), "team", "text", "shown", "it", "amber", True, False)
    add_channel(connection, channel, ChannelSecrets(team.url, "secret"), BOSS)
    people.create(connection, BOSS, Passwords().hash(PASSWORD), level="tenant_administrator")


def a_customer_is_rescued_told_counted_and_written_to(system: System, office: CampaignOffice, team: Listener) -> None:
    assert 200 == system.webhooks.post(from_canary("22:30", TEXT))
    assert 200 == system.webhooks.post(WebhookPost("whatsapp", f"{TEXT} {CANARY.name} {CANARY.wa_id}".encode()))
    wait_until(lambda: office.rows("select from rule_acts where state = 'done'"))
    wait_until(lambda: bool(team.received))
    wait_until(lambda: office.rows("select from conversation_words"))
    wait_until(lambda: office.rows("select from stat_hours where opened > 0"))
    campaign = office.create(NUMBER, office.upload([f"+{CANARY.wa_id},{CANARY.name}"]))
    office.command(StartCampaign(campaign_id=campaign))
    wait_until(lambda: not office.left(campaign))
    assert "applied" in mail(system, office)
    wait_until(lambda: office.rows("select from mails where state = 'sent'"))


def mail(system: System, office: CampaignOffice) -> str:
    ((conversation,), *_) = office.rows("select id from conversations order by id")
    fields = ("--to", "a@example.com", "--subject", CANARY.name, "--body", TEXT, "--as", BOSS, "--wait", "60")
    return system.witiop("email", str(conversation), *fields, "--json").out


def people_look_at_the_customer(port: int, office: CampaignOffice) -> None:
    ((conversation,), *_) = office.rows("select id from conversations order by id")
    with httpx.Client(base_url=f"http://{LOOPBACK}:{port}", follow_redirects=True, timeout=30) as console:
        fields = {"name": BOSS, "password": PASSWORD, "csrf": field(console.get("/").text, "csrf")}
        console.post("/sign-in", data=fields)
        found = console.get("/unmanaged", params={"q": "Birdsong"})
        page = console.get(f"/conversations/{conversation}")
        assert (200, 200, True) == (found.status_code, page.status_code, CANARY.name in page.text)
        assert 404 == console.get(f"/conversations/{CANARY.wa_id}").status_code


def everything_fails(system: System, office: CampaignOffice, workers: dict[str, Worker]) -> None:
    """Every table refuses the next row; each process logs that it failed."""
    for table in FAILING.values():
        statement = SQL("alter table {} add constraint refused check (false) not valid").format(Identifier(table))
        office.connection.execute(statement)
    story = Story("another", datetime.now(UTC))
    story.chat(LINES[0], ANOTHER).writes("22:40", TEXT)
    assert 200 == system.webhooks.post(*[each.post for each in story.posts])
    assert 200 == system.webhooks.post(WebhookPost("whatsapp", f"{TEXT} again".encode()))
    office.ask_for(NUMBER, office.upload([f"+{ANOTHER.wa_id},{ANOTHER.name}"]))
    mail(system, office)
    for name in FAILING:
        wait_until(lambda worker=workers[name]: has_failed(worker), 60)  # type: ignore[misc]


def has_failed(worker: Worker) -> bool:
    """Whether the process has logged an error."""
    return any(f'"level": "{level}"' in worker.log_text() for level in ("error", "critical"))
