"""The stories. Each harms the cluster, lets it recover, and heals it; the name of its function says what happens."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from infra.local.simulator.webhooks import ACCEPTED
from tests.cluster.recovery import LATE_SECONDS, Trial
from tests.cluster.site import BROKERS, CONSUMERS, WEBHOOKS, Site
from tests.support.waiting import wait_until

_OUTAGE_SECONDS = 5.0
_ALARM_SECONDS = 45.0
"""The alarm comes after half a minute."""


@contextmanager
def a_broker_is_killed(site: Site, trial: Trial, number: int) -> Iterator[None]:
    """Not the active controller; the partitions that it leads get other leaders."""
    victim = _others(site)[number % 2]
    trial.begins()
    site.kill_broker(victim)
    yield
    site.broker(victim).launch()


@contextmanager
def the_controller_is_killed(site: Site, trial: Trial, number: int) -> Iterator[None]:
    """A new controller is elected first, which then finds out that the broker in the same process is gone."""
    victim = site.controller()
    trial.begins()
    site.kill_broker(victim)
    yield
    site.broker(victim).launch()


@contextmanager
def a_broker_hangs(site: Site, trial: Trial, number: int) -> Iterator[None]:
    """Its connections stay open and answer nothing."""
    victim = number % BROKERS + 1
    trial.begins()
    site.freeze_broker(victim)
    yield
    site.thaw_broker(victim)


@contextmanager
def a_broker_is_cut_off_from_the_others(site: Site, trial: Trial, number: int) -> Iterator[None]:
    """Clients still reach it, and it still believes that it leads."""
    assert site.networks is not None
    victim = number % BROKERS + 1
    trial.begins()
    site.networks.cut_off(victim)
    yield
    site.networks.connect(victim)


@contextmanager
def the_brokers_are_restarted_one_by_one(site: Site, trial: Trial, number: int) -> Iterator[None]:
    """As for an upgrade: the next one only when the last one has all its copies again."""
    trial.begins()
    for broker in site.brokers:
        broker.stop()
        broker.start()
        site.wait_healed()
    yield


@contextmanager
def two_of_three_brokers_are_gone(site: Site, trial: Trial, number: int) -> Iterator[None]:
    """One copy is not enough for a 200. Everything is refused in time, and goes on when one of the two is back."""
    first, second = _others(site) if number % 2 else [site.controller(), _others(site)[0]]
    site.kill_broker(first)
    site.kill_broker(second)
    answers, _ = trial.hold(_OUTAGE_SECONDS)
    accepted = sum(answer.status == ACCEPTED for answer in answers)
    if accepted:
        trial.broken.append(f"{accepted} posts were accepted although only one broker was there")
    site.broker(first).launch()
    trial.begins()
    yield
    site.broker(second).launch()


@contextmanager
def the_standby_is_killed(site: Site, trial: Trial, number: int) -> Iterator[None]:
    """Commits wait; the webhooks go on. Alarm and doctor say so. Recovery is measured from the standby's start."""
    standby = site.pair.standby
    site.kill_postgres(standby)
    answers, samples = trial.hold(_ALARM_SECONDS if number == 0 else _OUTAGE_SECONDS)
    refused = sum(answer.status != ACCEPTED for answer in answers)
    if refused:
        trial.broken.append(f"{refused} posts were refused although Kafka was there")
    if samples[-1].behind is None or samples[-1].behind < LATE_SECONDS:
        trial.broken.append("something was stored without a copy")
    if number == 0:
        if "standby_away" not in site.open_alarms():
            trial.broken.append("there was no alarm")
        if "commits wait for 1 synchronous standby" not in site.system.witiop("doctor").out:
            trial.broken.append("doctor found nothing")
    trial.begins()
    site.pair.launch(standby)
    yield


@contextmanager
def the_primary_is_killed(site: Site, trial: Trial, number: int) -> Iterator[None]:
    """The standby is promoted, and the killed server copied from it: only then do commits have two places again."""
    primary = site.pair.primary
    trial.begins()
    site.kill_postgres(primary)
    site.fail_over()
    site.pair.launch(primary)
    yield


@contextmanager
def a_consumer_is_killed(site: Site, trial: Trial, number: int) -> Iterator[None]:
    """It does not come back: the others take over what it read."""
    victim = CONSUMERS[number % len(CONSUMERS)]
    trial.begins()
    site.workers[victim].kill()
    yield
    site.run(victim)


@contextmanager
def a_consumer_is_removed_and_added(site: Site, trial: Trial, number: int) -> Iterator[None]:
    """In order, while the others work."""
    name = CONSUMERS[number % len(CONSUMERS)]
    trial.begins()
    site.restart(name)
    site.run("conversations-4")
    assert site.workers.pop("conversations-4").stop() == 0
    yield


@contextmanager
def a_webhook_is_killed(site: Site, trial: Trial, number: int) -> Iterator[None]:
    """The balancer hands its senders to the other one; what was on its way has no answer, and is sent again."""
    victim = WEBHOOKS[number % len(WEBHOOKS)]
    trial.begins()
    site.workers[victim].kill()
    yield
    site.run(victim)


@contextmanager
def every_process_is_restarted(site: Site, trial: Trial, number: int) -> Iterator[None]:
    """One after the other, as for an upgrade."""
    trial.begins()
    for name in list(site.workers):
        site.restart(name)
    yield


@dataclass(frozen=True, slots=True)
class Story:
    """A story, how often it is told, and the seconds in which it has to recover: answers, and what is stored."""

    happens: Callable[[Site, Trial, int], AbstractContextManager[None]]
    tries: int
    answered: float
    stored: float

    @property
    def name(self) -> str:
        """The story in words."""
        return self.happens.__name__.replace("_", " ")


STORIES: Sequence[Story] = (
    Story(a_broker_is_killed, 20, 10, 20),
    Story(the_controller_is_killed, 20, 15, 25),
    Story(a_broker_hangs, 20, 15, 30),
    Story(a_broker_is_cut_off_from_the_others, 20, 20, 30),
    Story(the_brokers_are_restarted_one_by_one, 3, 120, 120),
    Story(two_of_three_brokers_are_gone, 5, 30, 40),
    Story(the_standby_is_killed, 5, 0, 15),
    Story(the_primary_is_killed, 20, 0, 20),
    Story(a_consumer_is_killed, 20, 0, 15),
    Story(a_consumer_is_removed_and_added, 5, 0, 30),
    Story(a_webhook_is_killed, 20, 5, 10),
    Story(every_process_is_restarted, 3, 60, 60),
)


def _others(site: Site) -> list[int]:
    """The brokers that are not the active controller."""
    controller = site.controller()
    return [broker.number for broker in site.brokers if broker.number != controller]


def drained(site: Site) -> None:
    """Returns when everything that was acknowledged is stored and every process is ready."""
    wait_until(lambda: all(worker.not_ready_reason() == [] for worker in site.workers.values()), 120, step=0.5)
    wait_until(site.is_drained, 120, step=0.5)
