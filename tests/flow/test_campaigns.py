"""Campaigns on the real stack: asked for by commands on the topic alone, while processes are killed and Meta fails. The
stand-in's ledger says who got what (C1), the counters that every row of the file ended somewhere (C5)."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection

from domain.campaigns.campaign import campaign_id
from domain.command_bodies.campaigns import (
    CampaignCommand,
    CreateCampaign,
    PauseCampaign,
    ResolveRecipients,
    ResumeCampaign,
    StartCampaign,
    StartWave,
)
from domain.commands import new_command, signed
from infra.kafka.config import KafkaConfig
from infra.kafka.producer import KafkaPublisher
from infra.postgres.campaign_files import files
from infra.postgres.campaigns.counts import counts_of, wrong_counts
from tests.flow.conftest import Install
from tests.support.command_line import Finished
from tests.support.commander import Commander
from tests.support.graph import ACCOUNT, TOKEN, Graph, graph_running
from tests.support.system import COMMAND_SECRET, System, Worker
from tests.support.waiting import wait_until
from tests.support.webhook_app import APP_SECRETS

PEOPLE = 240
BAD = ["+39 333,Shorty", ",Nobody", "+393331000000,Again"]
"""Rows to which nothing is sent: a phone that is too short, none, and one that is in the file already."""
IN_FLIGHT = 4


class CampaignOffice:
    """The stack with Meta's stand-in. `killed`: the names of processes that were killed."""

    def __init__(self, system: System, graph: Graph, connection: Connection[Any]) -> None:
        self.system = system
        self.graph = graph
        self.connection = connection
        self.workers: dict[str, Worker] = {}
        self._commander = Commander(system.kafka, system.topics)
        self._publisher = KafkaPublisher(KafkaConfig((system.kafka,)), [system.topics.commands])
        self._commands: list[str] = []
        self._settings: dict[str, Any] = {
            "sending_enabled": True,
            "sending_in_flight": IN_FLIGHT,
            "graph_url": graph.url,
            "whatsapp_access_token": TOKEN,
            "whatsapp_accounts": ACCOUNT,
        }

    def close(self) -> None:
        self._publisher.close()

    def witiop(self, *arguments: str) -> Finished:
        """Runs a command of the command line."""
        return self.system.witiop(*arguments, **self._settings)

    def run(self, *names: str) -> None:
        """Starts processes, in place of those of the same name."""
        for name, worker in zip(names, self.system.run(*names, **self._settings), strict=True):
            self.workers[name] = worker

    def kill(self, *names: str) -> None:
        """Kills processes with SIGKILL, all before any is started again."""
        for name in names:
            self.workers[name].kill()
        self.run(*names)

    def upload(self, rows: list[str]) -> UUID:
        """Stores a file, and returns its id once it was read."""
        content, file = "\n".join(["Phone,Name", *rows]).encode(), uuid4()
        digest = sha256(content).hexdigest()
        files.add(self.connection, file, "list.csv", len(content), digest, "paola", [content])
        wait_until(lambda: files.is_read(self.connection, file))
        return file

    def command(self, body: CampaignCommand) -> str:
        """Publishes a command, and returns its id once it was carried out."""
        id_, now = str(uuid4()), datetime.now(UTC)
        expires_at = now + timedelta(minutes=5)
        command = new_command(body, id_=id_, source="/test", issuer="paola", at=now, expires_at=expires_at)
        wait_until(lambda: not self._publisher.not_ready_reasons())
        self._publisher.publish([signed(command, self.system.topics.commands, COMMAND_SECRET.encode())], 20)
        self._commands.append(id_)
        wait_until(lambda: self.rows("select from command_audit where command_id = %s", id_))
        return id_

    def create(self, number: str, file: UUID) -> UUID:
        """Creates a campaign, and returns its id once it can be started."""
        campaign = self.ask_for(number, file)
        wait_until(lambda: self.state(campaign) == "ready")
        return campaign

    def ask_for(self, number: str, file: UUID) -> UUID:
        """Creates a campaign, and returns its id."""
        body = {
            "name": f"Autumn of {number}",
            "phone_number_id": number,
            "templates": [{"name": "autumn_check", "language": "en"}],
            "file": {
                "file_id": str(file),
                "mapping": {"phone": 0, "name": 1, "parameters": {"1": 1}, "values": {"2": "30 euro"}},
            },
        }
        return campaign_id(self.command(CreateCampaign.model_validate(body)))

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode(), values).fetchall()

    def state(self, campaign: UUID) -> str:
        ((state,),) = self.rows("select state from campaigns where id = %s", campaign)
        return str(state)

    def counts(self, campaign: UUID) -> Counter[str]:
        """Returns state -> recipients."""
        found = Counter[str]()
        for count in counts_of(self.connection, campaign):
            found[count.state] += count.n
        return found

    def left(self, campaign: UUID) -> int:
        """Returns how many are still to be posted. Posts of senders that were killed count as ended half a minute ago,
        when they are given up."""
        self.connection.execute(
            "update sends set claimed_at = claimed_at - interval '31 seconds' where state = 'sending' "
            "and claimed_at < clock_timestamp() - interval '2 seconds'"
        )
        counts = self.counts(campaign)
        return sum(counts[state] for state in ("imported", "planned", "deferred", "claimed"))

    def accepted(self, number: str) -> Counter[str]:
        """Counts what Meta accepted of a number, by phone."""
        return Counter(row["to"] for row in self.graph.control.ledger() if row["phone_number_id"] == number)

    def results(self) -> Counter[str]:
        """Counts the outcomes of all commands so far."""
        outcomes = {each["command_id"]: each["outcome"] for each in self._commander.results()}
        return Counter(outcomes[command] for command in self._commands if command in outcomes)


@pytest.fixture(scope="module")
def office(install: Install, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CampaignOffice]:
    """The stack, shared by the tests of this module."""
    system = install(Path(tmp_path_factory.mktemp("campaigns")))
    with (
        graph_running(
            webhook_url=system.webhooks.url, app_secret=APP_SECRETS[0], faults=["status-delays=0/0.1/0.2"]
        ) as graph,
        psycopg.connect(system.dsn, autocommit=True) as connection,
        closing(CampaignOffice(system, graph, connection)) as office,
    ):
        office.run("webhook", "conversations", "commands", "relay", "campaigns", "sender")
        wait_until(lambda: office.rows("select from templates where name = 'autumn_check'"))
        yield office


def test_everybody_gets_a_campaign_once_whatever_is_killed(office: CampaignOffice) -> None:
    """C1, C2, C5: sender, campaigns and commands are killed while it runs; it is paused, resumed, and some are tried
    again in a second wave."""
    number, again = "441000000001", [f"39333100{n:04}" for n in range(6)]
    people = [f"39333100{n:04}" for n in range(PEOPLE)]
    office.graph.control.change(*(f"failed-later=131026,number={number},to={phone},next=1" for phone in again))
    campaign = office.create(number, office.upload([*(f"+{phone},Ada" for phone in people), *BAD]))
    assert {"planned": PEOPLE, "skipped": len(BAD)} == office.counts(campaign)

    office.graph.control.change("latency=200")  # at most 20 a second, so that there is a middle
    office.command(StartCampaign(campaign_id=campaign))
    wait_until(lambda: office.accepted(number).total() > PEOPLE // 8)
    office.kill("sender", "campaigns", "commands")
    wait_until(lambda: office.accepted(number).total() > PEOPLE // 4)
    office.command(PauseCampaign(campaign_id=campaign))
    at_pause = office.accepted(number).total()
    wait_until(lambda: office.left(campaign) and not office.counts(campaign)["claimed"])
    assert office.accepted(number).total() - at_pause <= IN_FLIGHT
    assert office.accepted(number).total() < PEOPLE
    office.command(ResumeCampaign(campaign_id=campaign))
    wait_until(lambda: office.accepted(number).total() > PEOPLE // 2)
    office.kill("campaigns", "sender")
    office.graph.control.change(off=["latency"])
    wait_until(lambda: not office.left(campaign))

    wait_until(lambda: office.counts(campaign)["read"] + len(again) == office.accepted(number).total())
    assert {1} == set(office.accepted(number).values())
    missing = PEOPLE - office.accepted(number).total()
    assert missing == office.counts(campaign)["unknown"] <= 2 * IN_FLIGHT
    if missing:
        office.command(ResolveRecipients.model_validate({"campaign_id": campaign, "as": "send_again"}))
        wait_until(lambda: office.counts(campaign)["read"] == PEOPLE - len(again))
    assert Counter(f"+{phone}" for phone in people) == office.accepted(number)

    assert {"read": PEOPLE - len(again), "failed": len(again), "skipped": len(BAD)} == +office.counts(campaign)
    office.command(StartWave(campaign_id=campaign, codes=("131026",)))
    wait_until(lambda: office.counts(campaign)["read"] == PEOPLE)
    assert Counter([*people, *again]) == Counter(to.removeprefix("+") for to in office.accepted(number).elements())
    assert [] == wrong_counts(office.connection, [campaign])
    assert PEOPLE + len(BAD) == office.counts(campaign).total()
    wait_until(lambda: office.results().total() >= 5)
    assert {"applied"} == set(office.results())


def test_nobody_gets_a_campaign_twice_while_meta_fails(office: CampaignOffice) -> None:
    """Answers are lost, come late or say nothing, posts are refused for a while, statuses come first and twice."""
    number, people = "441000000002", [f"39333200{n:04}" for n in range(90)]
    faults = ("drop-answer,every=11", "error-after=503,every=13", "error-before=500,every=17", "error=130429,next=2")
    more = ("late-answer=0.5,every=7", "statuses-twice,every=3", "status-first=0.2,every=5")
    office.graph.control.change(*(f"{fault},number={number}" for fault in (*faults, *more)))
    campaign = office.create(number, office.upload([f"+{phone},Ada" for phone in people]))
    office.command(StartCampaign(campaign_id=campaign))
    wait_until(lambda: not office.left(campaign))
    wait_until(lambda: office.counts(campaign)["read"] == office.accepted(number).total())
    assert {1} == set(office.accepted(number).values())
    assert {"read", "unknown"} == set(+office.counts(campaign))
    assert len(people) == office.counts(campaign).total()
    assert [] == wrong_counts(office.connection, [campaign])


def test_a_file_becomes_a_campaign_on_the_command_line(office: CampaignOffice, tmp_path: Path) -> None:
    """The columns are recognised, the bad rows can be mended, and one command starts it."""
    number, file, book = "441000000003", tmp_path / "spring list.csv", tmp_path / "bad.xlsx"
    people = [f"39333300{n:04}" for n in range(12)]
    rows = [*(f"Ada,+{phone},Saturday" for phone in people), "Nobody,,Saturday", f"Again,+{people[0]},Saturday"]
    file.write_text("\n".join(["{{1}},Phone,{{2}}", *rows]))
    options = ("--template", "autumn_check", "--number", number, "--json")
    imported = office.witiop("campaigns", "import", str(file), *options)
    assert 0 == imported.code, imported.err
    campaign = json.loads(imported.out)["campaign"]
    assert ("spring list", "ready", 12) == (campaign["name"], campaign["state"], campaign["funnel"]["planned"])
    assert (1, 1) == (campaign["parts"]["bad"], campaign["parts"]["duplicate"])
    assert f"{book}: 2 rows\n" == office.witiop("campaigns", "problems", campaign["campaign_id"], str(book)).out
    started = office.witiop("campaigns", "start", campaign["campaign_id"])
    assert (0, "done\n") == (started.code, started.out)
    wait_until(lambda: office.counts(UUID(campaign["campaign_id"]))["read"] == 12)
    assert Counter(f"+{phone}" for phone in people) == office.accepted(number)
    missing = office.witiop("campaigns", "import", str(file), *options, "--map", "phone=B,1=A")
    assert 2 == missing.code
    assert "where to find: 2. The file has A '{{1}}', B 'Phone', C '{{2}}'" in missing.err
    beyond = office.witiop("campaigns", "import", str(file), *options, "--map", "phone=B,1=A,2=Z")
    assert (2, True) == (beyond.code, "--map: 2=Z: there is no such column. The file has A" in beyond.err)
    file.write_text("<html>")
    refused = office.witiop("campaigns", "import", str(file), *options)
    says = "the file cannot be read: This is neither an Excel file (.xlsx) nor text with separators (.csv). (html)"
    assert (1, True) == (refused.code, says in refused.err)
