"""The dry run of a rule: against the list as it is, or against what was known of conversations of the last days. Raises
psycopg errors."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from domain.arrival import arrived_at
from domain.conversations.reasons import Reason
from domain.directory import Directory
from domain.ids import first_conversation_id
from domain.rescue.judging import fits_at
from domain.rescue.replay import KnownEvent, KnownTurn, Replayed, ReplayedOutcome, acted_at
from domain.rescue.seeing import OnList, Questions, TellLanguage, left_alone
from domain.rules.rule import Rule
from infra.postgres.connections.clock import database_now
from infra.postgres.rules import views

MOST = 20_000
"""Conversations that a dry run looks at, the latest first."""
SECONDS = 8.0
"""A dry run takes no longer."""
_AT_ONCE = 500


class RuleTrialAct(NamedTuple):
    """What a rule would have done about a conversation, or, on the list as it is, would do. `at`: when; `outcome`: what
    became of it without the rule."""

    conversation_id: UUID
    phone_number_id: str
    customer_name: str | None
    wa_id: str | None
    at: datetime
    outcome: ReplayedOutcome


class RuleTrial(NamedTuple):
    """The result of a dry run. `acts`: the latest first; `looked_at`: conversations; `since`: how far back it came, if
    there were too many to look at all; None: it looked at all of them."""

    acts: Sequence[RuleTrialAct]
    looked_at: int
    since: datetime | None = None

    def count(self, outcome: ReplayedOutcome) -> int:
        return sum(act.outcome == outcome for act in self.acts)


def dry_run(
    connection: Connection[Any],
    directory: Directory,
    rule: Rule,
    days: int | None,
    tell_language: TellLanguage,
    most: int = MOST,
    seconds: float = SECONDS,
) -> RuleTrial:
    """Returns what a rule would have done in the last `days`; None: what it would do about the list as it is. `rule`:
    as it would be, in the place of the directory's rule with its id, else behind the others."""
    tried = replace(rule, on=True)
    rules = [tried if each.id == rule.id else each for each in directory.rules]
    if tried not in rules:
        rules.append(tried)
    run = _Run(connection, directory, tried, rules, tell_language, monotonic() + seconds)
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        return run.on_list(most) if days is None else run.since(days, most)


class _Conversation(NamedTuple):
    id: UUID
    phone_number_id: str
    customer_name: str | None
    wa_id: str | None
    opened_at: datetime
    window_ends_at: datetime
    reason: int | None
    status: str
    unmanaged: bool
    managed: bool
    owned: bool
    returning: bool

    @property
    def outcome(self) -> ReplayedOutcome:
        if self.managed:
            return "answered"
        if not self.unmanaged and not self.owned:
            return "dismissed"
        return "open" if self.status == "a" else "lost"


class _Run(NamedTuple):
    connection: Connection[Any]
    directory: Directory
    rule: Rule
    rules: Sequence[Rule]
    tell_language: TellLanguage
    until: float

    def on_list(self, most: int) -> RuleTrial:
        now, questions = database_now(self.connection), Questions.of([self.rule])
        values = {"numbers": self._numbers, "limit": most}
        found = self._read(_ON_LIST, values)
        acts: list[RuleTrialAct] = []
        for batch in _batches(found):
            ids = [each.id for each in batch]
            stays, texts, had = views.stays(self.connection, ids), self._texts(batch, questions), self._had(ids)
            for each in batch:
                if each.id not in stays or each.reason is None:
                    continue
                listed = OnList(
                    each.phone_number_id,
                    Reason.of_code(each.reason),
                    stays[each.id].since,
                    each.window_ends_at,
                    each.returning,
                )
                seen = left_alone(listed, texts.get(each.id, ()), had.get(each.id), questions, self.tell_language)
                at = fits_at(self.rule, seen, self.directory.number(each.phone_number_id), now)
                if at is not None:
                    acts.append(_act(each, at))
        return RuleTrial(sorted(acts, key=lambda act: act.at), len(found))

    def since(self, days: int, most: int) -> RuleTrial:
        now, questions = database_now(self.connection), Questions.of(self.rules)
        low = first_conversation_id(now - timedelta(days=days))
        values = {"numbers": self._numbers, "low": low, "limit": most + 1}
        found = self._read(_SINCE, values)
        acts: list[RuleTrialAct] = []
        looked_at = 0
        for batch in _batches(found[:most]):
            if monotonic() > self.until:
                break
            replayed = self._replayed(batch)
            for each in batch:
                of = replayed[each.id]
                at = acted_at(self.rule, self.rules, of, self.directory, questions, self.tell_language, now)
                if at is not None:
                    acts.append(_act(each, at))
            looked_at += len(batch)
        reached = found[looked_at - 1].opened_at if 0 < looked_at < len(found) else None
        return RuleTrial(sorted(acts, key=lambda act: act.at, reverse=True), looked_at, reached)

    @property
    def _numbers(self) -> list[str] | None:
        return list(self.rule.when.numbers) or None

    def _read(self, statement: LiteralString, values: Mapping[str, Any]) -> list[_Conversation]:
        return self.connection.cursor(row_factory=class_row(_Conversation)).execute(statement, values).fetchall()

    def _had(self, ids: Sequence[UUID]) -> Mapping[UUID, str]:
        return views.skillsets_before(self.connection, ids) if Questions.of(self.rules).had else {}

    def _texts(self, batch: Sequence[_Conversation], questions: Questions) -> Mapping[UUID, Sequence[str]]:
        if not questions.texts:
            return {}
        return views.texts(self.connection, {each.id: each.phone_number_id for each in batch})

    def _replayed(self, batch: Sequence[_Conversation]) -> dict[UUID, Replayed]:
        ids = [each.id for each in batch]
        had = self._had(ids)
        events: dict[UUID, list[KnownEvent]] = {id_: [] for id_ in ids}
        for id_, at, event, reason in self.connection.execute(_EVENTS, [ids]):
            events[id_].append(KnownEvent(at, event, None if reason is None else Reason.of_code(reason)))
        turns: dict[UUID, list[KnownTurn]] = {id_: [] for id_ in ids}
        for id_, at, arrival, body in self.connection.execute(_TURNS, [ids]):
            turns[id_].append(KnownTurn(arrived_at(arrival) or at, at, body))
        return {
            each.id: Replayed(
                each.phone_number_id,
                each.opened_at,
                each.returning,
                had.get(each.id),
                events[each.id],
                sorted(turns[each.id], key=lambda turn: turn.known_at),
            )
            for each in batch
        }


def _batches(found: Sequence[_Conversation]) -> Iterator[Sequence[_Conversation]]:
    for start in range(0, len(found), _AT_ONCE):
        yield found[start : start + _AT_ONCE]


def _act(each: _Conversation, at: datetime) -> RuleTrialAct:
    return RuleTrialAct(each.id, each.phone_number_id, each.customer_name, each.wa_id, at, each.outcome)


_COLUMNS: LiteralString = (
    "c.id, c.phone_number_id, c.customer_name, c.wa_id, c.opened_at, c.window_ends_at, c.reason, "
    "c.status::text as status, c.unmanaged, c.managed, c.owner_kind is not null as owned, "
    "c.previous is not null as returning"
)
_ON_LIST: LiteralString = f"""
select {_COLUMNS} from conversations c
where c.unmanaged and c.status = 'a' and (%(numbers)s::text[] is null or c.phone_number_id = any(%(numbers)s))
order by c.window_ends_at limit %(limit)s
"""
_SINCE: LiteralString = f"""
select {_COLUMNS} from conversations c
where c.id >= %(low)s and (%(numbers)s::text[] is null or c.phone_number_id = any(%(numbers)s))
order by c.id desc limit %(limit)s
"""
_EVENTS: LiteralString = """
select conversation_id, at, event, reason from history where conversation_id = any(%b::uuid[])
order by conversation_id, sequence
"""
_TURNS: LiteralString = """
select conversation_id, at, arrival, body from entries
where conversation_id = any(%b::uuid[]) and kind = 'customer_turn'
"""
