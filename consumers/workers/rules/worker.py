"""The `rules` process: does what rescue rules say about customers who were left alone (docs/design/rules.md).

A rule acts by ordinary signed commands, so whatever it does is checked, audited, published and undone like what a
person does. What a rule decides and the command are stored in one transaction, and a command's id follows from rule,
conversation and attempt: however often processes die and whatever is processed twice, a rule acts on a conversation at
most once (R1). A command names the version that the rule saw, so it is rejected if anything about the conversation was
decided meanwhile: a rule takes nothing from a person (R3).

Any number may run: a conversation is judged under the lock of its row in `rule_watch`. The time is the inbound
watermark, as for the timer (architecture.md, P6a), so that a message that still waits is no reason to act.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from threading import Event as Flag
from time import monotonic
from typing import Any, NamedTuple, get_args
from uuid import UUID

import psycopg
import structlog
from prometheus_client import Counter, Gauge
from psycopg import Connection
from pydantic import ValidationError

from consumers.batches.poison import PoisonPolicy
from consumers.workers.isolation import Isolation
from consumers.workers.progress.inbound_progress import InboundProgress, UnreadBacklog
from consumers.workers.worker_loop import WorkerLoop
from domain.alarms.kinds import AlarmKind
from domain.commands import CommandBody, Rejection, new_command, signed
from domain.directory import Directory
from domain.rescue.acts import (
    EXPIRES_AFTER,
    LOST_AFTER,
    ActState,
    RuleAct,
    act_id,
    after_result,
    issuer_of,
    to_do,
)
from domain.rescue.commands import command_of, detail_of, mode_of
from domain.rescue.judging import RuleJudgement, judge
from domain.rescue.seeing import Questions
from domain.rules.rule import MARGIN, ActionKind, Rule
from domain.topics import Topics
from infra.languages.detection import language_of
from infra.postgres import directory
from infra.postgres.alarms.alarms import AlarmToRaise, end_alarm, raise_alarm
from infra.postgres.connections.clock import database_now
from infra.postgres.conversations.queues import Queues
from infra.postgres.messaging.outbox import Outbox, OutboxRecord
from infra.postgres.messaging.parked import ParkedItems
from infra.postgres.rules import acts, switch, watch
from infra.postgres.rules.views import SeenByRules, known_since, see
from infra.postgres.rules.watch import Looked
from infra.process.crash_points import crash_point
from infra.process.memory import collect_rarely
from infra.process.metrics import count_from_zero
from infra.process.readiness import every_reason

SOURCE = "/witiop/rules"
BATCH = 500
"""Conversations of one transaction."""
MOST_A_MINUTE = 20
_CHANGED_AT_ONCE = 5000
_IDLE_SECONDS = 0.5
_OVER_LIMIT_SECONDS = 2.0
_LOOKS_EVERY_SECONDS, _LOOKS_AT_LEAST_EVERY_SECONDS = 2.0, 4.0
"""So often the list is compared with what was seen: less often the longer that takes, so that a list of a hundred
thousand costs a small part of a core, and often enough to act within five seconds."""
_LOOK_SHARE = 0.05
_CLEARS_EVERY_SECONDS = 60.0
_MINUTE = timedelta(minutes=1)
_RESULTS_WITHIN = timedelta(days=1)
"""So long a result of a command is waited for of which nothing was known: no window lasts longer."""
_SOON = timedelta(seconds=30)
"""A conversation to which a person's message is on its way is looked at again then."""

_ACTED = Counter("witiop_rules_acted", "Actions that rules asked for.", ["action"])
_SETTLED = Counter("witiop_rules_settled", "Actions of rules by what became of them.", ["state"])
count_from_zero(_SETTLED, get_args(ActState))
_WAITING = Gauge("witiop_rules_over_limit", "Conversations that wait because rules have acted too often in a minute.")

log = structlog.get_logger("rules")


class _Looks(NamedTuple):
    """How many conversations a poll looked at, and how many of them wait because rules have acted too often."""

    at: int = 0
    waiting: int = 0


class _Decided(NamedTuple):
    """What a poll decided about one conversation."""

    acts: Sequence[RuleAct]
    records: Sequence[OutboxRecord]
    passed: Sequence[Rule]
    again_at: datetime | None


class Rules:
    """Acts until stopped. `transaction`: as for the consumers; `secret`: signs the commands; `stalled_seconds`, `clock`
    and `backlog`: as for `InboundProgress`; `per_minute`: actions of all rules in a minute, at most."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        topics: Topics,
        secret: bytes,
        stalled_seconds: float = 600,
        clock: Callable[[], float] = monotonic,
        backlog: UnreadBacklog | None = None,
        per_minute: int = MOST_A_MINUTE,
        poison: PoisonPolicy | None = None,
    ) -> None:
        self._transaction = transaction
        self._topics = topics
        self._secret = secret
        self._per_minute = per_minute
        self._clock = clock
        self._inbound = InboundProgress("rules", topics.inbound, stalled_seconds, clock, backlog)
        self._isolation = Isolation[UUID](ParkedItems(transaction, "rules"), lambda id_: id_, poison, clock)
        self._directories = directory.DirectoryCache()
        self._look_at = self._clear_at = self._settle_late_at = float("-inf")
        self._has_unknown = True  # perhaps from before
        self._loop = WorkerLoop("rules", lambda _: self.poll())

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the process from working, for /readyz; None: nothing."""
        return every_reason(self._loop.not_ready_reason(), self._inbound.held_by, self._isolation.not_ready_reason())

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises whatever is a defect of ours."""
        collect_rarely()
        self._loop.run(stop)

    def poll(self) -> float:
        """Does what is due; returns the seconds until the next poll. Raises BrokerUnreachable, PoisonStorm, psycopg
        errors."""
        try:
            self.settle()
            noted = self._note_changed()
            if noted is None:
                return _IDLE_SECONDS
            looked = self.act()
        except psycopg.Error:
            self._inbound.reset()
            raise
        if looked.waiting:
            return _OVER_LIMIT_SECONDS
        return 0.0 if looked.at == BATCH or noted == _CHANGED_AT_ONCE else _IDLE_SECONDS

    def _read_directory(self, connection: Connection[Any]) -> tuple[int, Directory]:
        version = directory.version(connection)
        return version, self._directories.read(connection, version)

    # what became of it

    def settle(self) -> int:
        """Notes what became of commands; returns of how many. What was not done because the conversation had changed is
        judged again."""
        with self._transaction() as connection:
            results = acts.settled(connection, BATCH)
            at = self._clock()
            if self._has_unknown and at >= self._settle_late_at:
                results += acts.settled_late(connection, _RESULTS_WITHIN, BATCH)
                self._has_unknown = acts.has_unknown(connection, _RESULTS_WITHIN)
                self._settle_late_at = at + _CLEARS_EVERY_SECONDS
            lost = acts.lost(connection, LOST_AFTER, BATCH)
            self._has_unknown |= bool(lost)
            after = [after_result(result.act, result.rejection) for result in results]
            after += [act._replace(state="unknown") for act in lost]
            if not after:
                return 0
            acts.write(connection, after)
            watch.judge_again(connection, [act.conversation_id for act in after if act.state == "again"])
        for act in after:
            _SETTLED.labels(act.state).inc()
            if act.state in ("refused", "unknown"):
                log.warning("rules.not_done", rule=act.rule_id, action=act.action, state=act.state, why=act.rejection)
        return len(after)

    # what is due

    def _note_changed(self) -> int | None:
        """Finds conversations that changed, if it is time, and returns how many; None: no rule is on."""
        at = self._clock()
        with self._transaction() as connection:
            version, current = self._read_directory(connection)
            if not any(rule.on for rule in current.rules):
                self._say_limit(connection, 0, self._per_minute, database_now(connection))
                return None
            if at < self._look_at:
                return 0
            noted = watch.note_changed(connection, version, _CHANGED_AT_ONCE)
            if at >= self._clear_at:
                watch.delete_gone(connection)
                self._clear_at = at + _CLEARS_EVERY_SECONDS
        if noted < _CHANGED_AT_ONCE:
            pause = max(_LOOKS_EVERY_SECONDS, (self._clock() - at) / _LOOK_SHARE)
            self._look_at = at + min(pause, _LOOKS_AT_LEAST_EVERY_SECONDS)
        return noted

    def act(self) -> _Looks:
        """Judges at most `BATCH` conversations and does what rules say. One that cannot be judged keeps no other
        waiting. O(BATCH)."""
        with self._transaction() as connection:
            watermark = self._inbound.watermark(connection)
            is_due = watch.is_any_due(connection, watermark)
            started = self._inbound.started(connection) if is_due else set()
            if not is_due:
                self._say_limit(connection, 0, self._per_minute, watermark)
        if not is_due or self._inbound.is_held(started):
            _WAITING.set(0)
            return _Looks()
        parked = self._isolation.parked()
        with self._transaction() as connection:
            due = [each for each in watch.due(connection, watermark, BATCH + len(parked)) if each not in parked][:BATCH]
            if not due:
                self._say_limit(connection, 0, self._per_minute, watermark)
        looks: list[_Looks] = []

        def look(ids: Sequence[UUID]) -> None:
            looks.append(self._look(ids, watermark, sum(each.waiting for each in looks)))

        self._isolation.process(due, look)
        return _Looks(sum(each.at for each in looks), sum(each.waiting for each in looks))

    def _look(self, ids: Sequence[UUID], watermark: datetime, waiting_before: int) -> _Looks:
        """Judges conversations in one transaction. `waiting_before`: how many wait of those that were judged before in
        this poll."""
        with self._transaction() as connection:
            if not switch.acting(connection):
                self._say_limit(connection, 0, self._per_minute, watermark)
                return _Looks()
            version, current = self._read_directory(connection)
            due = watch.lock_due(connection, watermark, ids)
            found = see(connection, due, Questions.of(current.rules), language_of)
            decided, left = self._decide(connection, found, current, watermark)
            waiting = len(found) - len(decided)
            self._write(connection, found, decided, version)
            watch.write(connection, [], set(due) - {each.conversation.id for each in found})
            self._say_limit(connection, waiting_before + waiting, left, watermark)
            crash_point("rules.before-commit")
        for each in decided.values():
            for act in each.acts:
                _ACTED.labels(act.action).inc()
        return _Looks(len(due), waiting)

    def _decide(
        self, connection: Connection[Any], found: Sequence[SeenByRules], current: Directory, watermark: datetime
    ) -> tuple[dict[UUID, _Decided], int]:
        """Returns what is decided about each conversation, without those that wait because rules have acted too often
        and stay due; and how many actions are left in this minute."""
        ids = [each.conversation.id for each in found]
        known = acts.by_rule(acts.acts_of(connection, ids))
        judged = self._judged(connection, found, known, current, watermark)
        answered = Queues(connection).with_word_on_its_way(ids, watermark)
        now, left = database_now(connection), self._per_minute - acts.lately(connection, _MINUTE)
        decided: dict[UUID, _Decided] = {}
        for each in found:
            id_ = each.conversation.id
            if id_ in answered:
                decided[id_] = _Decided((), (), (), watermark + _SOON)
                continue
            judgement = judged[id_]
            if now >= each.seen.window_ends_at - MARGIN:
                judgement = RuleJudgement()
            asked = self._ask(each, judgement.act, known.get(id_, {}), current, now)
            if asked.acts and len(asked.acts) > left and left < self._per_minute:
                continue  # what asks for more than a minute allows gets a minute of its own
            left -= len(asked.acts)
            decided[id_] = asked._replace(passed=judgement.passed, again_at=judgement.again_at)
        return decided, left

    def _judged(
        self,
        connection: Connection[Any],
        found: Sequence[SeenByRules],
        known: Mapping[UUID, Mapping[str, Mapping[ActionKind, RuleAct]]],
        current: Directory,
        watermark: datetime,
    ) -> dict[UUID, RuleJudgement]:
        """Returns what rules say of each conversation. Where several fit by now, a look may have been missed: then it
        counts which of them began to fit first."""
        stays: dict[UUID, int] = {each.conversation.id: each.stay.began for each in found}
        done = acts.done(connection, current.rules, stays, known)

        def judged(each: SeenByRules, known_at: datetime | None = None) -> RuleJudgement:
            return judge(current.rules, each.seen, current, watermark, done[each.conversation.id], known_at)

        by_now: dict[UUID, RuleJudgement] = {each.conversation.id: judged(each) for each in found}
        several = [each for each in found if by_now[each.conversation.id].passed]
        since = known_since(connection, [each.conversation.id for each in several])
        return by_now | {
            each.conversation.id: judged(each, since[each.conversation.id])
            for each in several
            if each.conversation.id in since
        }

    def _say_limit(self, connection: Connection[Any], waiting: int, left: int, now: datetime) -> None:
        """Raises an alarm while conversations wait because rules have acted too often, and ends it once none waits and
        there are `left` actions in this minute."""
        _WAITING.set(waiting)
        if waiting:
            limit = {"limit": self._per_minute}
            raise_alarm(connection, AlarmToRaise(AlarmKind.RULE_LIMIT, "", limit, None, now))
        elif left > 0:
            end_alarm(connection, AlarmKind.RULE_LIMIT, "", now)

    def _ask(
        self,
        each: SeenByRules,
        rules: Iterable[Rule],
        known: Mapping[str, Mapping[ActionKind, RuleAct]],
        current: Directory,
        now: datetime,
    ) -> _Decided:
        made, records = [], []
        conversation = each.conversation
        for rule in rules:
            before = known.get(rule.id, {})
            for action in to_do(rule, before):
                last = before.get(action)
                attempt = 0 if last is None else last.attempt + 1
                mode = mode_of(rule, action, last.mode if last is not None else None)
                body: CommandBody | None = None
                problem: Rejection | None = None
                try:
                    body = command_of(rule, action, conversation, current, each.seen.had, mode)
                except ValidationError:  # an older version took what no command may say; the other rules go on
                    problem = Rejection.MALFORMED
                id_ = act_id(conversation.id, rule.id, action, attempt) if body is not None else None
                made.append(
                    RuleAct(
                        conversation_id=conversation.id,
                        rule_id=rule.id,
                        action=action,
                        rule_name=rule.name,
                        phone_number_id=conversation.phone_number_id,
                        state="asked" if body is not None else "done" if problem is None else "refused",
                        attempt=attempt,
                        mode=mode,
                        version=conversation.version,
                        command_id=id_,
                        rejection=problem,
                        detail=detail_of(rule, action, each.seen.had),
                        at=last.at if last is not None else now,
                        asked_at=now,
                    )
                )
                if body is not None:
                    command = new_command(
                        body,
                        id_=str(id_),
                        source=SOURCE,
                        issuer=issuer_of(rule.id),
                        at=now,
                        expires_at=min(now + EXPIRES_AFTER, each.seen.window_ends_at - MARGIN),
                    )
                    record = signed(command, self._topics.commands, self._secret)
                    headers = {name: value.decode() for name, value in record.headers}
                    records.append(OutboxRecord(record.topic, str(conversation.id), headers, record.value))
        return _Decided(made, records, (), None)

    def _write(
        self,
        connection: Connection[Any],
        found: Collection[SeenByRules],
        decided: Mapping[UUID, _Decided],
        version: int,
    ) -> None:
        acts.write(connection, [act for each in decided.values() for act in each.acts])
        for act in (act for each in decided.values() for act in each.acts if act.action == "alarm"):
            details = {"rule": act.rule_name, "channel": act.detail["channel"]}
            key = f"{act.rule_id} {act.conversation_id}"
            raise_alarm(connection, AlarmToRaise(AlarmKind.RULE, key, details, act.conversation_id, act.at))
        acts.write_passed(
            connection,
            (
                (each.conversation.id, rule.id, each.stay.began)
                for each in found
                if each.conversation.id in decided
                for rule in decided[each.conversation.id].passed
            ),
        )
        Outbox(connection).add(record for each in decided.values() for record in each.records)
        looked = [
            Looked(
                each.conversation.id,
                each.conversation.version,
                each.conversation.entries,
                version,
                each.conversation.window_ends_at,
                decided[each.conversation.id].again_at,
            )
            for each in found
            if each.conversation.id in decided
        ]
        watch.write(connection, looked, ())
