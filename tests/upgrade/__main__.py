"""`python -m tests.upgrade`: an installation of an earlier version is upgraded to this one under load, process by
process, as docs/runbook.md says: nothing is lost, nothing happens twice, no process of the earlier version minds the
new schema. It takes about four minutes, so it is not among the tests. Prints what happened, and exits with 1 if a
promise is broken."""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from benchmarks.figures import Figure
from infra.local.graph.control import GraphControl
from infra.local.graph.process import LocalGraph
from infra.local.graph.server import GraphOptions
from infra.local.ports import LOOPBACK, free_port
from infra.local.ses import LocalSes
from tests.support.databases import Databases
from tests.support.graph import ACCOUNT, TOKEN
from tests.support.ledger import violations
from tests.support.outcome import ends_of
from tests.support.paths import ROOT
from tests.support.servers import kafka_bootstrap, postgres_dsn
from tests.support.stories import NUMBER
from tests.support.waiting import wait_until
from tests.support.webhook_app import APP_SECRETS
from tests.upgrade.installation import MixedInstallation, Release
from tests.upgrade.traffic import UnderLoad, gap_of, mails_posted, results_of

BEFORE = "c2e525c2dfacdd06df5fc79e4309d3a3b7dae2aa"
"""The version that is upgraded: migration 0046, before retention, the set-up page and traces."""
ORDER = (
    *("commands", "conversations", "analytics", "timer", "routing", "relay"),
    *("mails", "sender", "media", "campaigns", "rules", "alarms", "console", "webhook"),
)
"""What reads comes before what writes for it: a consumer of this version knows the facts and commands of the earlier
webhook and console, and an earlier one does not have to know new ones."""
RATE, SETTLING_SECONDS = 100.0, 10.0
_DIRECTORY = f"""
[[skillset]]
id = "sales"
name = "Sales"

[[number]]
phone_number_id = "{NUMBER}"
name = "Shop"
time_zone = "Europe/Rome"
language = "en"
menu = {{ "1" = "sales" }}
"""
_LEVELS = ("error", "critical")


def is_here(commit: str) -> bool:
    """Whether this clone has the commit: a shallow one may not."""
    asked = ["git", "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, check=False).returncode == 0


@contextmanager
def earlier_version(directory: Path) -> Iterator[Release]:
    """Yields the earlier version, in a work tree of its own."""
    tree = directory / "before"
    subprocess.run(["git", "worktree", "add", "--detach", "--quiet", tree, BEFORE], cwd=ROOT, check=True)
    try:
        yield Release("before", tree)
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)


class Upgrade:
    """One run. `control`: the ledger of the stand-in for Meta."""

    def __init__(self, site: MixedInstallation, before: Release, control: GraphControl, mails_url: str) -> None:
        self.site = site
        self.before = before
        self.now = Release("now", ROOT)
        self.control = control
        self._mails_url = mails_url

    def install(self, directory: Path) -> list[str]:
        """Installs the earlier version with all of its processes and returns their names."""
        file = directory / "directory.toml"
        file.write_text(_DIRECTORY)
        self.site.witiop(self.before, "migrate")
        self.site.witiop(self.before, "topics")
        self.site.witiop(self.before, "directory", "apply", str(file))
        names = self.before.names_in("witiop.wiring.processes", "PROCESSES")
        for name in names:
            self.site.start(self.before, name)
        return names

    def upgrade(self, names: Sequence[str]) -> dict[str, float]:
        """Upgrades everything and returns the seconds that each process was away."""
        time.sleep(SETTLING_SECONDS)
        self.site.witiop(self.now, "migrate")
        self.site.witiop(self.now, "topics")
        time.sleep(SETTLING_SECONDS)  # all processes of the earlier version work with the new schema
        new = [name for name in self.now.names_in("witiop.wiring.processes", "PROCESSES") if name not in names]
        away = {}
        for name in (*ORDER[:-2], *new, *ORDER[-2:]):
            if name in names:
                away[name] = self.site.replace(self.now, name)
            else:
                self.site.start(self.now, name)
        time.sleep(SETTLING_SECONDS)
        return away

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.site.dsn, autocommit=True) as connection:
            return connection.execute(statement).fetchall()

    def is_quiet(self) -> bool:
        """Whether everything was read, published and posted."""
        positions = "select partition, next_offset from consumer_offsets where topic = '{}'"
        return (
            all(
                dict(self.query(positions.format(topic))) == ends_of(self.site.kafka, topic)
                for topic in (self.site.topics.inbound, self.site.topics.commands)
            )
            and self.query("select count(*) from outbox") == [(0,)]
            and self.query("select count(*) from mails where state in ('requested', 'sending')") == [(0,)]
            and self.query("select count(*) from sends where state in ('queued', 'claimed')") == [(0,)]
        )

    def broken_promises(self, load: UnderLoad) -> Iterator[str]:
        """Yields what was lost, what happened twice, and what a process complained about."""
        posts = self.control.posts()
        sent = {post["wamid"] for post in posts if post.get("wamid")}
        for violation in violations(load.ledger, self.site.dsn):
            if not any(wamid in violation for wamid in sent):  # of messages of ours, which the ledger does not know
                yield violation
        yield from self._commands(load, posts)
        for log in self.site.logs:
            for line in map(_event, log.read_text().splitlines()):
                if line.get("level") in _LEVELS:
                    yield f"{log.stem} logged {line.get('event')} {line.get('reason') or line.get('exception') or ''}"

    def _commands(self, load: UnderLoad, posts: Sequence[dict[str, Any]]) -> Iterator[str]:
        results, mails = results_of(self.site), mails_posted(self._mails_url)
        texts = Counter(post["body"]["text"]["body"] for post in posts if "text" in post["body"])
        for id_, what in load.commands.items():
            outcome = results.get(id_, Counter())
            if outcome.total() != 1:
                yield f"I4 the command for {what} has {outcome.total()} results"
            times = {"mail": mails[what], "text": texts[what]}.get(what.split(" ")[0])
            if times is not None and times != outcome["applied"]:
                yield f"I5 {what} was posted {times} times, and applied {outcome['applied']} times"
        if not any(outcome["applied"] for outcome in results.values()):
            yield "no command was applied"


def _event(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {"level": "error", "event": line}
    return found if isinstance(found, dict) else {}


def figures(load: UnderLoad, away: dict[str, float], broken: Sequence[str]) -> Iterator[Figure]:
    """Yields the results."""
    updates = sum(each.updates for each in load.summaries)
    slowest = max(away, key=lambda name: away[name])
    yield Figure(
        "promises broken by an upgrade under load",
        str(len(broken)),
        f"{updates:,} updates and {len(load.commands)} commands meanwhile, {len(away)} processes replaced",
        "none",
        not broken,
    )
    yield Figure(
        "posts that Meta had to repeat", f"{gap_of(load.summaries):,}", "while the only webhook process was replaced"
    )
    yield Figure(
        "longest absence of a process",
        f"{away[slowest]:.1f} s",
        f"{slowest}, from its SIGTERM until the new one was ready",
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade", description=__doc__)
    parser.add_argument("--rate", type=float, default=RATE, help="updates a second")
    rate = parser.parse_args().rate
    if not is_here(BEFORE):
        print(f"skipped: this clone has no commit {BEFORE[:12]}; git fetch --unshallow brings it")
        return 0
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="upgrade-")))
        before = stack.enter_context(earlier_version(directory))
        kafka = stack.enter_context(kafka_bootstrap(directory / "kafka"))
        dsn = Databases(stack.enter_context(postgres_dsn(directory / "postgres"))).create_blank()
        ses = stack.enter_context(LocalSes(directory / "ses"))
        port = free_port()
        options = GraphOptions(TOKEN, APP_SECRETS[0], f"http://{LOOPBACK}:{port}", [(NUMBER, NUMBER, ACCOUNT)])
        graph = stack.enter_context(LocalGraph(directory / "graph", options))
        site = MixedInstallation(kafka, dsn, ses.endpoint, graph.url, port, directory)
        stack.callback(site.close)
        upgrade = Upgrade(site, before, GraphControl(graph.url), ses.mails_url)
        names = upgrade.install(directory)
        with UnderLoad(site, rate, directory / "ledger") as load:
            away = upgrade.upgrade(names)
        wait_until(upgrade.is_quiet, 120)
        broken = list(upgrade.broken_promises(load))
        site.stop(list(site.workers))
    for line in broken[:50]:
        print(line)
    for figure in figures(load, away, broken):
        print(figure)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
