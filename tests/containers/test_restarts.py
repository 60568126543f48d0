"""Containers that die, stop, are scaled and removed: what was answered 200 is stored, once."""

import os
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest

from infra.local.simulator.bodies import BusinessNumber
from infra.local.simulator.load import Ledger, Load, run
from infra.local.simulator.traffic import Mix, Traffic
from infra.process.clock import utc_now
from tests.containers.deployment import ONCE, PROJECT, Deployment
from tests.support.ledger import Sent
from tests.support.waiting import wait_until

RATE = 10.0
SERVERS = ("kafka", "postgres")


class Customers:
    """Customers who write to a number of their own, ten a second, while something happens."""

    def __init__(self, deployment: Deployment, ledger: Path, number: str) -> None:
        self._deployment = deployment
        self._ledger = ledger
        self._number = number
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        mix = Mix(BusinessNumber(self._number, "+39 300 555 0099", "550200000000000"), 50, statuses_per_message=0)
        with self._ledger.open("w") as file:
            while not self._stop.is_set():
                traffic = Traffic(mix, utc_now(), RATE)
                run(Load(RATE, 5, retry_seconds=120), traffic, self._deployment.webhooks, Ledger(file))

    def __enter__(self) -> "Customers":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def assert_stored_once(self) -> int:
        """Returns how many messages were written, when each is stored."""
        sent = Sent(self._ledger)
        answered = {wamid for wamid, _ in sent.of_kind("message") if sent.answered[wamid, None]}
        asked = "select wamid from entries where detail->>'phone_number_id' = %s"
        stored: Counter[str] = Counter()

        def all_stored() -> bool:
            stored.clear()
            stored.update(wamid for (wamid,) in self._deployment.query(asked, self._number))
            return answered <= stored.keys()

        wait_until(all_stored, step=0.5)
        assert len(sent.times) == len(answered)  # each was answered in the end
        assert {} == {wamid: times for wamid, times in stored.items() if times != 1}
        assert stored.keys() <= {wamid for wamid, _ in sent.times}
        return len(answered)


def test_a_container_that_dies_is_started_again_and_nothing_is_lost(deployment: Deployment, tmp_path: Path) -> None:
    """Each one in turn, with SIGKILL, as when memory is short."""
    if os.geteuid() != 0:
        pytest.skip("only root may kill the processes of containers")
    ours = [each for each in deployment.containers() if each.service not in ONCE]
    with Customers(deployment, tmp_path / "ledger", "550200000000001") as customers:
        for each in ours:
            restarts, pid = _life_of(deployment, each.id)
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda id_=each.id, n=restarts: _life_of(deployment, id_)[0] == n + 1, step=0.2)  # type: ignore[misc]
            if each.service in (*SERVERS, "caddy"):
                deployment.wait_well()
            else:
                wait_until(lambda id_=each.id: deployment.answers_ready(id_), step=0.2)  # type: ignore[misc]
    deployment.wait_well()
    assert customers.assert_stored_once() > 100


def _life_of(deployment: Deployment, container: str) -> tuple[int, int]:
    """How often a container was started again by itself, and the id of its first process."""
    asked = "{{.RestartCount}} {{.State.Pid}}"
    restarts, pid = deployment.docker("inspect", "--format", asked, container).split()
    return int(restarts), int(pid)


def test_a_restart_by_hand_stops_every_process_cleanly(deployment: Deployment, tmp_path: Path) -> None:
    with Customers(deployment, tmp_path / "ledger", "550200000000002") as customers:
        deployment.compose("stop")
        ends = {each.service: each.exit_code for each in deployment.containers() if each.service not in ONCE}
        deployment.up()
    assert {} == {service: code for service, code in ends.items() if code not in (0, 143)}
    customers.assert_stored_once()


def test_three_consumers_share_the_work_and_one_takes_over_from_another(deployment: Deployment, tmp_path: Path) -> None:
    """`docker compose up --scale conversations=3`, as the runbook says."""
    deployment.up("--scale", "conversations=3", "--no-recreate")
    consumers = [each.id for each in deployment.containers_of("conversations")]
    assert 3 == len(consumers)
    before = [deployment.metric(each, "witiop_consumer_records_total") for each in consumers]
    with Customers(deployment, tmp_path / "ledger", "550200000000003") as customers:
        wait_until(
            lambda: all(
                deployment.metric(each, "witiop_consumer_records_total") > seen
                for each, seen in zip(consumers, before, strict=True)
            ),
            step=0.5,
        )
        deployment.up("--scale", "conversations=1", "--no-recreate")
    assert 1 == len(deployment.containers_of("conversations"))
    customers.assert_stored_once()


def test_what_is_stored_survives_down_and_up(deployment: Deployment) -> None:
    """The volumes have it: conversations, users, the topics with their records, the certificate."""
    asked = (
        "select (select count(*) from entries), (select count(*) from conversations), (select count(*) from sign_ins)"
    )
    before = deployment.query(asked)
    certificate = deployment.compose("exec", "--no-TTY", "caddy", "find", "/var/lib/caddy", "-name", "root.crt")
    deployment.compose("down")
    assert [] == deployment.containers()
    assert {"caddy", "kafka", "postgres"} == {
        name.removeprefix(f"{PROJECT}_")
        for name in deployment.docker("volume", "ls", "--quiet", "--filter", f"name={PROJECT}_").split()
    }
    deployment.up()
    assert before == deployment.query(asked)
    assert certificate == deployment.compose("exec", "--no-TTY", "caddy", "find", "/var/lib/caddy", "-name", "root.crt")
    assert [(0,)] == deployment.query("select count(*) from consumer_offsets where lost > 0")
    with deployment.browser() as browser:
        assert 200 == browser.get("/unmanaged").status_code
