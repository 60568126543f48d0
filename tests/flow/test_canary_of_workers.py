"""I11 for what works beside the conversations: rules, alarms, analytics, campaigns, mails and the console meet a
customer's identity and texts, do their work with them, and fail on them; no log line, metric, header or message to the
team has them."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from domain.alarms.channels import AlarmChannel, ChannelSecrets
from domain.command_bodies.campaigns import StartCampaign
from infra.local.ports import LOOPBACK, free_port
from infra.local.ses import BUCKET, KEY, REGION, LocalSes
from infra.local.simulator.bodies import SimulatedCustomer, WebhookPost
from infra.local.simulator.chat import Story
from infra.passwords import Passwords
from infra.postgres import directory
from infra.postgres.alarms.channels import add_channel
from infra.postgres.console import people
from tests.flow.test_campaigns import CampaignOffice
from tests.support.canary import ACCESS_TOKEN, CANARY, LINES, MARKS, TEXT, canary_graph, from_canary
from tests.support.console import BOSS, PASSWORD, field
from tests.support.graph import ACCOUNT, Graph
from tests.support.kafka_topics import read_all
from tests.support.listener import Listener, listening
from tests.support.rule_room import reserve
from tests.support.ses import ses_settings
from tests.support.stories import DIRECTORY, NUMBER
from tests.support.system import System, Worker
from tests.support.waiting import wait_until

NAMES = (
    *("webhook", "conversations", "commands", "relay", "routing", "timer", "mails", "sender"),
    *("campaigns", "analytics", "alarms", "rules", "console", "retention"),
)
QUIET, LATE = (SimulatedCustomer(CANARY.name, f"{CANARY.wa_id}{n}", f"IT.6660002{n}") for n in (8, 9))
"""Two more with the same marks: one whom no rule rescues, and one whose turn leads to failures."""
MOBILE = "+393336660001"
"""The phone of a campaign's recipient, with the mark of the customer's."""
FAILING: dict[str, tuple[str, LiteralString]] = {
    "analytics": ("conversation_words", "false"),
    "campaigns": ("recipients", "false"),
    "rules": ("rule_acts", "false"),
    "mails": ("mails", "state <> 'sending'"),
    "alarms": ("alarm_deliveries", "false"),
}
"""Process -> a table into which it writes, and the condition that the row does not meet: the database refuses the row
and quotes it in its error."""


@pytest.fixture
def graph(system: System) -> Iterator[Graph]:
    with canary_graph(system) as graph:
        yield graph


@pytest.fixture
def team() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture
def ses(tmp_path: Path) -> Iterator[LocalSes]:
    with LocalSes(tmp_path / "ses") as server:
        yield server


@pytest.mark.timeout(360)
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
        **ses_settings(ses.endpoint),
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
    post(system, from_canary("22:30", TEXT))
    post(system, WebhookPost("whatsapp", f"{TEXT} {CANARY.name} {CANARY.wa_id}".encode()))
    post(system, written_by(QUIET, "1:00"))
    wait_until(lambda: office.rows("select from rule_acts where state = 'done'"))
    wait_until(lambda: bool(team.received))
    wait_until(lambda: office.rows("select from conversation_words"))
    wait_until(lambda: office.rows("select from stat_hours where opened > 0"))
    campaign = office.create(NUMBER, office.upload([f"{MOBILE},{CANARY.name}"]))
    office.command(StartCampaign(campaign_id=campaign))
    wait_until(lambda: not office.left(campaign))
    erased = system.witiop("customers", "erase", "--phone", f"+{QUIET.wa_id}", "--yes", "--as", BOSS, "--json")
    assert 0 == erased.code, erased.err
    wait_until(lambda: office.rows("select from erasures where state <> 'asked'"))
    assert "applied" in mail(system, office)
    wait_until(lambda: office.rows("select from mails where state = 'sent'"))


def post(system: System, update: WebhookPost) -> None:
    """Posts until the answer is 200: a connection that has long been idle is closed."""
    wait_until(lambda: system.webhooks.post(update) == 200)


def written_by(customer: SimulatedCustomer, ago: str) -> WebhookPost:
    story = Story(str(customer.wa_id), datetime.now(UTC))
    story.chat(LINES[0], customer).writes(ago, TEXT)
    (only,) = story.posts
    return only.post


def mail(system: System, office: CampaignOffice) -> str:
    ((conversation,), *_) = office.rows("select id from conversations order by id")
    fields = ("--to", "a@example.com", "--subject", CANARY.name, "--body", TEXT, "--as", BOSS, "--wait", "30")
    return system.witiop("email", str(conversation), *fields, "--json").out


def people_look_at_the_customer(port: int, office: CampaignOffice) -> None:
    ((conversation,), *_) = office.rows("select id from conversations order by id")
    with httpx.Client(base_url=f"http://{LOOPBACK}:{port}", follow_redirects=True, timeout=30) as console:
        fields = {"name": BOSS, "password": PASSWORD, "csrf": field(console.get("/").text, "csrf")}
        console.post("/sign-in", data=fields)
        found = console.get("/unmanaged", params={"q": "Birdsong"})
        page = console.get("/unmanaged", params={"open": str(conversation)})
        assert (200, 200, True) == (found.status_code, page.status_code, CANARY.name in page.text)
        assert 404 == console.get(f"/conversations/{CANARY.wa_id}/answer").status_code


def everything_fails(system: System, office: CampaignOffice, workers: dict[str, Worker]) -> None:
    """Every table refuses the next row; each process logs that it failed."""
    for table, condition in FAILING.values():
        statement = SQL("alter table {} add constraint refused check ({}) not valid")
        office.connection.execute(statement.format(Identifier(table), SQL(condition)))
    post(system, written_by(LATE, "22:40"))
    post(system, WebhookPost("whatsapp", f"{TEXT} again".encode()))
    office.ask_for(NUMBER, office.upload([f"{MOBILE}, {CANARY.name}"]))
    mail(system, office)
    for name in FAILING:
        wait_until(lambda worker=workers[name]: has_failed(worker), 60)  # type: ignore[misc]


def has_failed(worker: Worker) -> bool:
    """Whether the process has logged an error."""
    return any(f'"level": "{level}"' in worker.log_text() for level in ("error", "critical"))
