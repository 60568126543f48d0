"""Judges every few seconds what is wrong with the installation. Any number may run: one at a time judges."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from threading import Event as Flag
from typing import Any

import structlog
from prometheus_client import Counter, Gauge
from psycopg import Connection

from consumers.workers.worker_loop import WorkerLoop
from domain.alarms.conditions import AlarmTerms, conditions
from domain.alarms.judging import judge
from domain.alarms.kinds import JUDGING, AlarmLevel
from infra.postgres import directory
from infra.postgres.alarms.alarms import AlarmToRaise, end_alarm, open_alarms, raise_alarm, refresh_alarm
from infra.postgres.alarms.deliveries import announce
from infra.postgres.alarms.judgements import seen_conditions, store_judgement, take_judging
from infra.postgres.alarms.signs import read_signs
from infra.process.crash_points import crash_point

JUDGE_SECONDS = 5.0
_ANNOUNCE_SECONDS = 1.0
_LEVELS: tuple[AlarmLevel, ...] = ("amber", "red")
_OPEN = Gauge("witiop_alarms_open", "Open alarms, by level.", ["level"])
_RAISED = Counter("witiop_alarms_raised", "Alarms that this process raised, by kind.", ["kind"])

log = structlog.get_logger("alarms")


class AlarmJudge:
    """Raises and ends alarms about the system, and hands all alarms to their channels. `presence_timeout`: after which
    an agent whose desk is silent counts as offline."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        terms: AlarmTerms,
        presence_timeout: timedelta,
        judge_seconds: float = JUDGE_SECONDS,
    ) -> None:
        self._transaction = transaction
        self._terms = terms
        self._presence_timeout = presence_timeout
        self._directories = directory.DirectoryCache()
        self._polls_between = max(1, round(judge_seconds / _ANNOUNCE_SECONDS))
        self._polls = 0
        self._loop = WorkerLoop("alarms", self._work)

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the judge from judging, for /readyz; None: nothing."""
        return self._loop.not_ready_reason()

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises whatever is a defect of ours."""
        self._loop.run(stop)

    def _work(self, _: Flag) -> float:
        if self._polls % self._polls_between == 0:
            self.judge()
        self._polls += 1
        self.announce()
        return _ANNOUNCE_SECONDS

    def judge(self) -> bool:
        """Judges once; returns False if another process is at it. Raises psycopg errors."""
        with self._transaction() as connection:
            if not take_judging(connection):
                return False
            signs = read_signs(connection, self._directories, self._presence_timeout)
            found = conditions(signs, self._terms)
            opened, seen = open_alarms(connection), seen_conditions(connection)
            judgement = judge(found, seen, opened, signs.now)
            for subject in judgement.begin:
                if raise_alarm(connection, AlarmToRaise(*subject, found[subject], None, signs.now)):
                    log.warning("alarm.began", kind=str(subject.kind), level=JUDGING[subject.kind].level)
                    _RAISED.labels(subject.kind).inc()
            for subject in judgement.end:
                if end_alarm(connection, *subject, signs.now):
                    log.info("alarm.ended", kind=str(subject.kind))
            for subject in found.keys() & opened.keys():
                if dict(found[subject]) != dict(opened[subject]):
                    refresh_alarm(connection, subject, found[subject])
            store_judgement(connection, seen, judgement.seen, signs.now)
            left = (opened.keys() | set(judgement.begin)) - set(judgement.end)
            for level in _LEVELS:
                _OPEN.labels(level).set(sum(JUDGING[subject.kind].level == level for subject in left))
            crash_point("alarms.before-judgement-commit")
        return True

    def announce(self) -> None:
        """Hands what began or ended to the channels. Raises psycopg errors."""
        with self._transaction() as connection:
            announce(connection)
