"""What rules did and what became of it since, for people. Raises psycopg errors."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.sql import SQL

from domain.directory import Directory
from domain.mail import mail_id
from domain.rescue.acts import RuleAct, issuer_of
from domain.routing.supervision import Supervision
from domain.sending.sends import send_id
from infra.postgres.lists.cursor import START, Cursor
from infra.postgres.lists.supervised import SUPERVISED, values_within

MOST_COUNTED = 2000
"""Actions of a rule, or of all, that are counted at most."""


class FirstWord(NamedTuple):
    """Who had a conversation first after a rule had acted. `by`: a user's id; None: somebody in the WhatsApp Business
    app."""

    at: datetime
    by: str | None


class ListedAct(NamedTuple):
    """An action of a rule and what became of it. `taken`: who accepted or answered the conversation after it, if
    somebody did; `last_actor`: who decided last about the conversation, beside routing, which offers what is reserved;
    `sent`: the state of the mail or message that the action asked for; `is_held`: that can still be recalled."""

    act: RuleAct
    taken: FirstWord | None
    last_actor: str | None
    sent: str | None = None
    is_held: bool = False

    @property
    def is_last(self) -> bool:
        """Whether nothing was decided about the conversation since the rule acted."""
        return self.last_actor == issuer_of(self.act.rule_id)


class ActPage(NamedTuple):
    """Actions, the latest first, and the cursor of the next page (None: this is the last page)."""

    acts: Sequence[ListedAct]
    next: Cursor | None


class ActCount(NamedTuple):
    """On how many conversations a rule acted, and when it did last. `is_more`: they are only the latest of them."""

    conversations: int
    last_at: datetime | None
    is_more: bool


def act_page(connection: Connection[Any], rows: int, after: Cursor = START, rule: str | None = None) -> ActPage:
    """Returns a page of `rows` actions or a few more: those about one conversation at one moment are not parted.
    `rule`: id of a rule; None: of all. O(rows), from the index of the order."""
    values = {"at": after.at, "id": after.id, "rule": rule, "rows": rows}
    found = connection.execute(_PAGE if rule is None else _PAGE_OF_RULE, values).fetchall()
    acts = _with_states(connection, [_listed(row) for row in found])
    if len(acts) < rows:
        return ActPage(acts, None)
    end = Cursor(acts[-1].act.at, acts[-1].act.conversation_id)
    more = connection.execute(_MORE if rule is None else _MORE_OF_RULE, {"at": end.at, "id": end.id, "rule": rule})
    return ActPage(acts, end if more.fetchone() is not None else None)


def act_counts(
    connection: Connection[Any], rules: Collection[str], within: timedelta, supervision: Supervision | None = None
) -> dict[str, ActCount]:
    """Returns on how many conversations rules acted within a time until now, by the id of the rule. `supervision`: only
    what a supervisor supervises. O(MOST_COUNTED) for each."""
    values = {"rules": list(rules), "within": within, "most": MOST_COUNTED + 1, **values_within(supervision)}
    rows = connection.execute(_COUNTS[supervision is not None], values).fetchall()
    return {rule: ActCount(n, last, actions > MOST_COUNTED) for rule, n, last, actions in rows}


def all_counted(connection: Connection[Any], within: timedelta, supervision: Supervision | None = None) -> ActCount:
    """Returns on how many conversations rules acted together within a time until now, each counted once. `supervision`:
    as for `act_counts`. O(MOST_COUNTED)."""
    values = {"within": within, "most": MOST_COUNTED + 1, **values_within(supervision)}
    found = connection.execute(_ALL_COUNTED[supervision is not None], values).fetchone()
    assert found is not None
    return ActCount(found[0], found[1], found[2] > MOST_COUNTED)


def rule_names(connection: Connection[Any], rules: Collection[str]) -> dict[str, str]:
    """Returns the names that rules had when they acted last, by their ids; those that never acted are missing."""
    rows = connection.execute(
        "select t.id, a.rule_name from unnest(%b::text[]) as t (id) cross join lateral "
        "(select rule_name from rule_acts where rule_id = t.id order by at desc limit 1) as a",
        [list(rules)],
    ).fetchall()
    return dict(rows)


def with_former_rules(connection: Connection[Any], directory: Directory) -> Directory:
    """Returns the directory with the names of rules that acted and that it does not have any more. O(rules that ever
    acted)."""
    known = {rule.id for rule in directory.rules}
    names = dict(connection.execute(_NAMES_OF_ALL).fetchall())
    return replace(directory, former_rules={id_: name for id_, name in names.items() if id_ not in known})


def _listed(row: Sequence[Any]) -> ListedAct:
    own = len(RuleAct._fields)
    at, by, last_actor = row[own:]
    return ListedAct(RuleAct._make(row[:own]), at and FirstWord(at, by), last_actor)


def _with_states(connection: Connection[Any], acts: Sequence[ListedAct]) -> list[ListedAct]:
    """Returns actions with the states of their mails and messages."""
    ids = [_sent_id(each.act) for each in acts]
    known = [id_ for id_ in ids if id_ is not None]
    rows = connection.execute(_STATES, {"ids": known}).fetchall() if known else ()
    states = {id_: (state, is_held) for id_, state, is_held in rows}
    return [
        each._replace(sent=states[id_][0], is_held=states[id_][1]) if id_ in states else each
        for id_, each in zip(ids, acts, strict=True)
    ]


def _sent_id(act: RuleAct) -> UUID | None:
    """Returns the id of the mail or message of an action; None: it has none."""
    if act.action not in ("mail", "text") or act.command_id is None:
        return None
    command = str(act.command_id)
    return mail_id(command) if act.action == "mail" else send_id(command)


_COLUMNS: LiteralString = ", ".join(f"a.{name}" for name in RuleAct._fields)
_BEHIND: LiteralString = "a.at <= %(at)s and (a.at < %(at)s or a.conversation_id > %(id)s)"
_SINCE: LiteralString = """
left join lateral (
  select h.at, h.owner_id from history h where h.conversation_id = a.conversation_id and h.at >= a.at
    and h.event in ('accepted', 'managed') order by h.sequence limit 1
) as taken on true
left join lateral (
  select h.actor from history h where h.conversation_id = a.conversation_id and h.event not like 'mail.%%'
    and (h.event, h.actor) is distinct from ('assigned', 'routing')
  order by h.sequence desc limit 1
) as last on true
order by a.at desc, a.conversation_id, a.asked_at, a.rule_id, a.action
"""


def _page_of(condition: LiteralString) -> LiteralString:
    """Returns the SQL of a page. The actions are chosen before anything about them is looked up."""
    return (
        f"select {_COLUMNS}, taken.at, taken.owner_id, last.actor "
        f"from (select * from rule_acts a where {condition}{_BEHIND} "
        f"order by a.at desc, a.conversation_id fetch first %(rows)s rows with ties) as a {_SINCE}"
    )


_OF_RULE: LiteralString = "a.rule_id = %(rule)s and "
_PAGE = _page_of("")
_PAGE_OF_RULE = _page_of(_OF_RULE)
_MORE: LiteralString = f"select from rule_acts a where {_BEHIND} limit 1"
_MORE_OF_RULE: LiteralString = f"select from rule_acts a where {_OF_RULE}{_BEHIND} limit 1"
_STATES: LiteralString = """
select id, state, state = 'requested' and held_until > now() from mails where id = any(%(ids)s::uuid[])
union all
select id, state, state = 'queued' from sends where id = any(%(ids)s::uuid[])
"""
_NAMES_OF_ALL: LiteralString = """
with recursive acted as (
  (select rule_id, rule_name from rule_acts order by rule_id, at desc limit 1)
  union all
  select n.rule_id, n.rule_name from acted cross join lateral (
    select rule_id, rule_name from rule_acts where rule_id > acted.rule_id order by rule_id, at desc limit 1
  ) as n
) select rule_id, rule_name from acted
"""
"""The last row of each rule, one after the other from the index: the table may have millions."""
_SEEN = {
    True: SQL("exists (select from conversations where id = latest.conversation_id {})").format(SUPERVISED),
    False: SQL("true"),
}
"""Whether an action is counted, by whether for a supervisor."""
_COUNTS = {
    restricted: SQL("""
select t.id, counted.conversations, counted.last_at, counted.actions from unnest(%(rules)s::text[]) as t (id)
cross join lateral (
  select count(distinct conversation_id) filter (where seen) as conversations, max(at) filter (where seen) as last_at,
    count(*) as actions
  from (select latest.*, {} as seen from (
    select conversation_id, at from rule_acts where rule_id = t.id and at > now() - %(within)s
    order by at desc limit %(most)s
  ) as latest) as judged
) as counted
""").format(seen)
    for restricted, seen in _SEEN.items()
}
_ALL_COUNTED = {
    restricted: SQL("""
select count(distinct conversation_id) filter (where seen), max(at) filter (where seen), count(*)
from (select latest.*, {} as seen from (
  select conversation_id, at from rule_acts where at > now() - %(within)s order by at desc limit %(most)s
) as latest) as judged
""").format(seen)
    for restricted, seen in _SEEN.items()
}
