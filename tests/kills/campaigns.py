"""`python -m tests.kills.campaigns`: one campaign on the real servers while everything around it is killed, frozen or
wrong (C1 to C6). Its file is read, its people are planned, it runs, is paused and resumed, and some are tried again;
meanwhile processes die by SIGKILL, PostgreSQL and the broker die or hang, and Meta's stand-in loses answers, fails and
throttles. In the end the ledger of the stand-in says what each person got. It takes about five minutes; prints what
happened, and exits with 1 if a promise is broken."""

import argparse
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
from psycopg import Connection

from benchmarks.figures import Figure
from domain.campaigns.campaign import Campaign, campaign_id
from domain.command_bodies.campaigns import (
    CampaignCommand,
    ColumnMapping,
    CreateCampaign,
    FromFile,
    PauseCampaign,
    ResolveRecipients,
    ResumeCampaign,
    StartCampaign,
    StartWave,
    TemplateName,
    Terms,
)
from domain.commands import new_command, signed
from infra.local.graph.control import GraphControl
from infra.local.graph.process import LocalGraph
from infra.local.graph.server import GraphOptions
from infra.local.kafka import LocalKafka
from infra.local.postgres import LocalPostgres
from infra.postgres.campaign_files import files
from infra.postgres.campaigns import campaigns
from infra.postgres.campaigns.counts import counts_of, wrong_counts
from tests.support.commander import Commander
from tests.support.databases import Databases
from tests.support.graph import ACCOUNT, NUMBER, TOKEN
from tests.support.kafka_topics import new_topics
from tests.support.system import COMMAND_SECRET, System, Worker
from tests.support.waiting import wait_until
from tests.support.webhook_app import APP_SECRETS

ROWS, SEED = 3000, 1
_BAD_EVERY, _REPEATED_EVERY = 50, 40
_PROCESSES = ("webhook", "conversations", "commands", "relay", "campaigns", "sender")
_TEMPLATE = "order_update"
_SENDING: dict[str, Any] = {"sending_enabled": True, "whatsapp_access_token": TOKEN, "whatsapp_accounts": ACCOUNT}
_FAULTS = (
    "drop-answer,next=3",
    "drop-request,next=5",
    "error-before=503,next=3",
    "error-after=500,next=2",
    "unreadable-answer,next=2",
    "late-answer=3,next=2",
    "error=130429,next=5",
    "error=131056,next=3",
    "error=131026,next=10",
    "failed-later=131026,next=5",
    "statuses-reversed,next=50",
    "statuses-twice,next=50",
    "no-callback,next=20",
    "other-wa-id,next=5",
    "pause=3",
)
_UNDER_WAY = ("imported", "planned", "deferred", "claimed")


Found = TypeVar("Found")


class Site:
    """An installation with servers of its own, all of which may die."""

    def __init__(self, kafka: LocalKafka, postgres: LocalPostgres, system: System, graph: str) -> None:
        self.kafka = kafka
        self.postgres = postgres
        self.system = system
        self.control = GraphControl(graph)
        self.settings = {**_SENDING, "graph_url": graph}
        self.workers: dict[str, Worker] = {}
        self.commander = Commander(system.kafka, system.topics)

    def run(self) -> None:
        for name in _PROCESSES:
            self.start(name)
        for worker in self.workers.values():
            worker.wait_ready()

    def start(self, name: str) -> None:
        (self.workers[name],) = self.system.start(name, **self.settings)

    def say(self, body: CampaignCommand, named: str | None = None) -> str:
        """Publishes a command and returns its id."""
        id_, now = named or str(uuid4()), datetime.now(UTC)
        command = new_command(
            body, id_=id_, source="/kills", issuer="boss", at=now, expires_at=now + timedelta(hours=1)
        )
        self.commander.publish([signed(command, self.system.topics.commands, COMMAND_SECRET.encode())])
        return id_

    def ask(self, query: Callable[[Connection[Any]], Found]) -> Found:
        """Asks the database, as soon as it answers."""
        while True:
            with suppress(psycopg.OperationalError), psycopg.connect(self.system.dsn, autocommit=True) as connection:
                return query(connection)
            time.sleep(0.2)

    def campaign(self, id_: UUID) -> Campaign | None:
        return self.ask(lambda connection: campaigns.find(connection, id_))

    def counts(self, id_: UUID) -> Counter[str]:
        found = Counter[str]()
        for each in self.ask(lambda connection: counts_of(connection, id_)):
            found[each.state] += each.n
        return found


class Chaos(Thread):
    """Harms one thing after the other until it is ended. `done`: how often each was done."""

    def __init__(self, site: Site, chance: Random) -> None:
        super().__init__(daemon=True)
        self._site = site
        self._chance = chance
        self._ended = Event()
        self.done = Counter[str]()

    def run(self) -> None:
        kinds = [self._kill, self._kill, self._kill, self._kill, self._fault, self._fault, self._hang, self._postgres]
        while not self._ended.wait(self._chance.uniform(0.2, 1.5)):
            self._chance.choice(kinds)()

    def end(self) -> None:
        """Returns when everything runs again."""
        self._ended.set()
        self.join()
        self._site.control.change(clear=True)
        for worker in self._site.workers.values():
            worker.wait_ready()

    def _kill(self) -> None:
        name = self._chance.choice(_PROCESSES)
        self._site.workers[name].kill()
        self._site.start(name)
        self.done[f"{name} killed"] += 1

    def _fault(self) -> None:
        fault = self._chance.choice(_FAULTS)
        self._site.control.change(fault)
        self.done[fault.partition(",")[0]] += 1

    def _hang(self) -> None:
        """The broker answers nothing for a while."""
        pid = self._site.kafka.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        self._ended.wait(2)
        os.kill(pid, signal.SIGCONT)
        self.done["broker hung"] += 1

    def _postgres(self) -> None:
        pid = self._site.postgres.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self._site.postgres.pid is None)
        time.sleep(1)  # its children end by themselves
        self._site.postgres.start()
        self.done["postgres killed"] += 1


def csv_file(rows: int) -> tuple[bytes, set[str]]:
    """Returns a file with phones, some of which are none or repeated, and the different phones in it."""
    lines, phones = ["Phone,Name"], list[str]()
    for n in range(rows):
        if n % _BAD_EVERY == 7:
            lines.append(f"ask Elena,{n}")
        elif n % _REPEATED_EVERY == 9 and phones:
            lines.append(f"00{phones[n % len(phones)]},again")
        else:
            phones.append(f"39333{n:07}")
            lines.append(f"+{phones[-1]},Ada {n}")
    return "\n".join(lines).encode(), set(phones)


def walk(site: Site, rows: int, chance: Random) -> tuple[UUID, list[str]]:
    """Takes a campaign from its file to its second wave; returns it, and the pauses after which something was posted
    that must not be."""
    content, _ = csv_file(rows)
    file = uuid4()
    add = partial(files.add, file=file, name="people.csv", size=len(content), sha256=sha256(content).hexdigest())
    site.ask(lambda connection: add(connection, actor="boss", chunks=[content]))
    state_of = "select state from campaign_files where id = %s"
    wait_until(lambda: site.ask(lambda c: c.execute(state_of, [file]).fetchone()) == ("read",), 120, step=0.2)
    mapping = ColumnMapping(phone=0, parameters={"1": 1})
    create = CreateCampaign(
        name="Autumn",
        phone_number_id=NUMBER,
        templates=(TemplateName(name=_TEMPLATE, language="en"),),
        file=FromFile(file_id=file, mapping=mapping),
        terms=Terms(canary=0),
    )
    id_ = campaign_id(site.say(create))
    wait_for(site, id_, "ready")
    print(f"ready: {dict(site.counts(id_))}", flush=True)
    site.control.change("error=131026,next=20,skip=5")
    site.say(StartCampaign(campaign_id=id_))
    wait_for(site, id_, "running")
    late = list(pauses(site, id_, chance))
    go_on(site, id_)
    site.say(StartWave(campaign_id=id_, codes=("131026",)))
    wait_until(lambda: (found := site.campaign(id_)) is not None and found.wave == 2, 120, step=0.2)
    go_on(site, id_)
    return id_, late


def wait_for(site: Site, id_: UUID, state: str) -> None:
    wait_until(lambda: (found := site.campaign(id_)) is not None and found.state == state, 180, step=0.2)


def pauses(site: Site, id_: UUID, chance: Random) -> Iterator[str]:
    """Pauses and resumes a few times. Yields what C2 forbids."""
    for _ in range(3):
        time.sleep(chance.uniform(2, 4))
        found = site.campaign(id_)
        if found is None or found.state != "running":
            continue
        site.say(PauseCampaign(campaign_id=id_))
        wait_until(lambda: site.campaign(id_).state != "running", 120, step=0.05)  # type: ignore[union-attr]
        at_pause = len(site.control.ledger())
        time.sleep(10)
        after = len(site.control.ledger())
        if after - at_pause > 16:
            yield f"{after - at_pause} posts after a pause"
        time.sleep(3)
        if (later := len(site.control.ledger())) > after:
            yield f"{later - after} posts later than 10 s after a pause"
        resume(site, id_)


def resume(site: Site, id_: UUID) -> None:
    site.say(ResumeCampaign(campaign_id=id_))
    wait_until(lambda: site.campaign(id_).state != "paused", 120, step=0.1)  # type: ignore[union-attr]


def go_on(site: Site, id_: UUID) -> None:
    """Returns when nobody waits any more. A campaign that paused by itself, because so much fails, is resumed."""
    until = time.monotonic() + 600
    while True:
        campaign, found = site.campaign(id_), site.counts(id_)
        assert campaign is not None
        if campaign.work is None and not any(found[state] for state in _UNDER_WAY):
            return
        assert time.monotonic() < until, found
        if campaign.state == "paused":
            print(f"paused: {campaign.reason} {campaign.detail}", flush=True)
            resume(site, id_)
        time.sleep(0.5)


def figures(site: Site, id_: UUID, rows: int, late: list[str]) -> Iterator[Figure]:
    """Compares the stand-in's ledger with the recipients."""
    _, phones = csv_file(rows)
    got = Counter[str](row["to"].lstrip("+") for row in site.control.ledger())
    waves = dict(
        site.ask(
            lambda c: c.execute("select address, wave from recipients where person is not null and state <> 'skipped'")
        ).fetchall()
    )
    twice = [phone for phone, times in got.items() if times > waves.get(phone, 0)]
    yield Figure(f"accepted more often than once a wave, {len(phones):,} people", str(len(twice)), "C1", "0", not twice)
    yield Figure("posts after a pause", "; ".join(late) or "none that must not be", "C2", "at most 16", not late)
    counts = site.counts(id_)
    wrong = site.ask(lambda connection: wrong_counts(connection, [id_]))
    complete = sum(counts.values()) == rows and not wrong
    yield Figure("rows counted", f"{sum(counts.values()):,} of {rows:,}", f"C5: {dict(counts)}", f"{rows:,}", complete)
    reached = set(got)
    said = site.ask(
        lambda c: c.execute(
            "select address from recipients where state in ('accepted', 'sent', 'delivered', 'read')"
        ).fetchall()
    )
    untrue = {address for (address,) in said} - reached
    yield Figure("said to be sent, but not accepted", str(len(untrue)), "by the ledger", "0", not untrue)
    strangers = reached - phones
    yield Figure("reached without being in the file", str(len(strangers)), "C4", "0", not strangers)


@contextmanager
def installation(directory: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        kafka = stack.enter_context(LocalKafka(directory / "kafka"))
        postgres = stack.enter_context(LocalPostgres(directory / "postgres"))
        dsn = Databases(postgres.dsn).create()
        system = stack.enter_context(System(kafka.bootstrap, dsn, new_topics(kafka.bootstrap, 4), directory))
        options = GraphOptions(
            TOKEN, APP_SECRETS[0], system.webhooks.url, [(NUMBER, NUMBER, ACCOUNT)], ("status-delays=0.2/0.5/1",)
        )
        graph = stack.enter_context(LocalGraph(directory / "graph", options))
        site = Site(kafka, postgres, system, graph.url)
        site.run()
        yield site


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills.campaigns", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    chance = Random(options.seed)
    with TemporaryDirectory(prefix="kills-") as directory, installation(Path(directory)) as site:
        chaos = Chaos(site, Random(options.seed))
        chaos.start()
        id_, late = walk(site, options.rows, chance)
        chaos.end()
        settle(site, id_)
        print("done meanwhile:", ", ".join(f"{what} {times}" for what, times in sorted(chaos.done.items())))
        results = list(figures(site, id_, options.rows, late))
    for figure in results:
        print(figure)
    return 0 if all(figure.holds is not False for figure in results) else 1


def settle(site: Site, id_: UUID) -> None:
    """Lets the last statuses arrive, and settles what nobody knows as a person would."""
    go_on(site, id_)
    site.say(ResolveRecipients.model_validate({"campaign_id": id_, "as": "assumed_sent"}))
    wait_until(lambda: not site.counts(id_)["unknown"], 120, step=0.2)


if __name__ == "__main__":
    sys.exit(main())
