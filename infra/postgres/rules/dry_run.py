"""The dry run of a rule: against the list as it is, or against what was known of conversations of the last days. Raises
psycopg errors."""

from collections.abc import Sequence
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
from domain.rescue.replay import KnownEvent, KnownTurn, Replayed, ReplayedOutcome, acted_at, would_act_at
from domain.rescue.seeing import Questions, TellLanguage
from domain.rules.rule import Rule
from infra.postgres.connections.clock import database_now
from infra.postgres.connections.snapshot import one_snapshot
from infra.postgres.conversations.looking_back import MOST, SECONDS, LookBack
from infra.postgres.rules import acts as stored_acts
from infra.postgres.rules import views

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
    run = _Run(connection, directory, tried, rules, tell_language)
    until = monotonic() + seconds
    with one_snapshot(connection):
        return run.on_list(most, until) if days is None else run.since(days, most, until)


class _Listed(NamedTuple):
    id: UUID
    opened_at: datetime


class _Conversation(NamedTuple):
    id: UUID
    phone_number_id: str
    customer_name: str | None
    wa_id: str | None
    opened_at: datetime
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

    def on_list(self, most: int, until: float) -> RuleTrial:
        now, questions = database_now(self.connection), Questions.of(self.rules)
        values = {"numbers": self._numbers, "limit": most + 1}
        listed = self.connection.cursor(row_factory=class_row(_Listed)).execute(_ON_LIST, values).fetchall()
        acts: list[RuleTrialAct] = []
        back = LookBack(listed, most, until, _AT_ONCE)
        for batch in back.batches():
            found = views.see(self.connection, [each.id for each in batch], questions, self.tell_language)
            done = self._done(found)
            for each in found:
                of = each.conversation
                at = would_act_at(self.rule, self.rules, each.seen, self.directory, now, done[of.id])
                if at is not None:
                    acts.append(RuleTrialAct(of.id, of.phone_number_id, of.customer_name, of.wa_id, at, "open"))
        return RuleTrial(sorted(acts, key=lambda act: act.at), back.looked_at, back.reached)

    def _done(self, found: Sequence[views.SeenByRules]) -> dict[UUID, set[str]]:
        """Returns the rules that have acted on these conversations, or were passed over."""
        stays: dict[UUID, int] = {each.conversation.id: each.stay.began for each in found}
        known = stored_acts.by_rule(stored_acts.acts_of(self.connection, stays))
        return stored_acts.done(self.connection, self.rules, stays, known)

    def since(self, days: int, most: int, until: float) -> RuleTrial:
        now, questions = database_now(self.connection), Questions.of(self.rules)
        low = first_conversation_id(now - timedelta(days=days))
        values = {"numbers": self._numbers, "low": low, "limit": most + 1}
        found = self.connection.cursor(row_factory=class_row(_Conversation)).execute(_SINCE, values).fetchall()
        acts: list[RuleTrialAct] = []
        back = LookBack(found, most, until, _AT_ONCE)
        for batch in back.batches():
            replayed = self._replayed(batch, questions)
            for each in batch:
                of = replayed[each.id]
                at = acted_at(self.rule, self.rules, of, self.directory, questions, self.tell_language, now)
                if at is not None:
                    acts.append(
                        RuleTrialAct(each.id, each.phone_number_id, each.customer_name, each.wa_id, at, each.outcome)
                    )
        return RuleTrial(sorted(acts, key=lambda act: act.at, reverse=True), back.looked_at, back.reached)

    @property
    def _numbers(self) -> list[str] | None:
        return list(self.rule.when.numbers) or None

    def _replayed(self, batch: Sequence[_Conversation], questions: Questions) -> dict[UUID, Replayed]:
        ids = [each.id for each in batch]
        had = views.skillsets_before(self.connection, ids) if questions.had else {}
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


_ON_LIST: LiteralString = """
select c.id, c.opened_at from conversations c
where c.unmanaged and c.status = 'a' and (%(numbers)s::text[] is null or c.phone_number_id = any(%(numbers)s))
order by c.id desc limit %(limit)s
"""
_SINCE: LiteralString = """
select c.id, c.phone_number_id, c.customer_name, c.wa_id, c.opened_at, c.status::text as status, c.unmanaged,
  c.managed, c.owner_kind is not null as owned, c.previous is not null as returning
from conversations c
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
