"""`python -m tests.cluster`: tells the stories of a cluster under 264 updates a second, several times each, and
compares what was answered with what is stored. It takes one or two hours with all tries, so it is not among the tests;
`--tries 2` takes about half an hour. Prints figures, and with all tries writes them to docs/performance.md; exits with
1 if a promise is broken. Brokers are cut off from each other only where it may make network namespaces (Linux, root).
"""

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.figures import Figure
from benchmarks.page import update
from tests.cluster.dev import mends_itself
from tests.cluster.load import RATE, Lateness, OpenLoad
from tests.cluster.networks import BrokerNetworks, available
from tests.cluster.recovery import Recovery, Trial
from tests.cluster.site import BROKERS, Site, site
from tests.cluster.stories import STORIES, Story, a_broker_is_cut_off_from_the_others, drained
from tests.support.ledger import violations


def tell(story: Story, site: Site, load: OpenLoad, lateness: Lateness, tries: int) -> Figure:
    """Tells a story several times and returns its row."""
    recoveries: list[Recovery] = []
    broken: list[str] = []
    for number in range(tries):
        trial = Trial(load, lateness)
        with story.happens(site, trial, number):
            recoveries.append(trial.recover())
        site.wait_healed()
        trial.rest()
        broken += trial.broken
        print(f"{story.name}, try {number + 1}: {recoveries[-1]}", *trial.broken, sep="; ", flush=True)
    answered, stored = (sorted(times) for times in list(zip(*recoveries, strict=True))[:2])
    refused, posts = (sum(numbers) for numbers in list(zip(*recoveries, strict=True))[2:])
    holds = not broken and answered[-1] <= story.answered and stored[-1] <= story.stored
    return Figure(
        what=story.name,
        value=f"answers {_times(answered)}; stored {_times(stored)}",
        target=f"answers {story.answered:.0f} s, stored {story.stored:.0f} s",
        holds=holds,
        meaning="; ".join(
            [f"{tries} tries; {refused:,} of {posts:,} posts had to be sent again", *dict.fromkeys(broken)]
        ),
    )


def _times(ascending: Sequence[float]) -> str:
    """The median and the longest of so many tries; of 20, the longest is the 99th percentile."""
    return f"{median(ascending):.1f} s, at most {ascending[-1]:.1f} s"


def run(
    data: Path, stories: Sequence[Story], tries: int | None, rate: float, networks: BrokerNetworks | None
) -> Iterator[Figure]:
    """Tells the stories; the last rows compare the ledger with the database."""
    data.mkdir(parents=True)
    with site(data, networks) as cluster:
        lateness = Lateness(cluster.system.dsn, cluster.topics.inbound)
        lateness.start()
        load = OpenLoad(cluster.webhooks, data / "ledger.jsonl", rate)
        load.start()
        try:
            time.sleep(10)  # query plans, connections
            for story in stories:
                yield tell(story, cluster, load, lateness, min(story.tries, tries or story.tries))
        except BaseException:
            load.abandon()
            raise
        load.stop()
        drained(cluster)
        lateness.stop()
        found = violations(data / "ledger.jsonl", cluster.system.dsn)
        posts = len(load.answers)
    yield Figure(
        what="acknowledged and lost, or stored twice",
        value=f"{len(found)}",
        target="0",
        holds=not found,
        meaning=f"{posts:,} posts at {rate:.0f} updates/s, with repeats until each was answered 200"
        + "".join(f"; {each}" for each in found[:5]),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--tries", type=int, help="at most so many of each story")
    parser.add_argument("--rate", type=float, default=RATE, help="updates a second (default %(default)s)")
    parser.add_argument("--only", action="append", help="the stories whose name contains this; may be repeated")
    parser.add_argument("--data", type=Path, help="a directory that is kept, with all logs")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that networks and servers are removed
    stories = [story for story in STORIES if any(part in story.name for part in options.only or [""])]
    with ExitStack() as stack:
        networks = None
        if available():
            networks = stack.enter_context(BrokerNetworks(BROKERS))
        else:
            print("without network namespaces (Linux, root) no broker is cut off", flush=True)
            stories = [story for story in stories if story.happens is not a_broker_is_cut_off_from_the_others]
        data = options.data or Path(stack.enter_context(TemporaryDirectory(prefix="cluster-")))
        data.mkdir(parents=True, exist_ok=True)
        figures = []
        for figure in chain(
            () if options.only else mends_itself(data),
            run(data / "site", stories, options.tries, options.rate, networks),
        ):
            print(figure, flush=True)
            figures.append(figure)
    if not options.only and not options.tries and options.rate == RATE:
        update("cluster", figures, datetime.now(UTC).date())
    return 0 if all(figure.holds is not False for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
