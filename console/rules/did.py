"""What rules did, in words: what became of it since, and how it is undone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID

from flask import url_for
from psycopg import Connection

from console import gate, phrases
from console.request import acts as person_acts
from console.request import supervision, translated, words
from console.sending.bubbles import state_words
from console.table.rows import customer_name
from domain.contract.row import Row
from domain.contract.rule_texts import act_words
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from domain.rescue.acts import issuer_of
from domain.rules.rule import MARGIN
from domain.sending.sends import SendState
from infra.postgres.lists import console as console_list
from infra.postgres.lists.supervised import supervised_among
from infra.postgres.rules.listing import ListedAct

ActTone = Literal["", "waits", "good", "lost"]
"""`waits`: it runs out unless somebody acts; `lost`: it went wrong."""


@dataclass(frozen=True, slots=True)
class ShownRuleAct:
    """An action of a rule, in the words of the page. `undo`: the address that takes it back, and the version of the
    conversation that the page shows; None: it cannot be taken back."""

    key: str
    at: datetime
    rule_id: str
    rule: str
    conversation_id: UUID
    customer: str
    what: str
    since: str
    tone: ActTone
    undo: tuple[str, int | None] | None


def shown_acts(conn: Connection[Any], acts: Sequence[ListedAct], directory: Directory) -> list[ShownRuleAct]:
    """Returns actions as a table shows them. A supervisor is shown those about conversations that they supervise."""
    rows = console_list.by_ids(conn, {each.act.conversation_id for each in acts})
    within = supervision()
    if within is not None:
        seen = supervised_among(conn, rows, within)
        rows = {id_: row for id_, row in rows.items() if id_ in seen}
    reach = gate.within_reach(conn, rows) if person_acts() else ()
    return [_shown(each, rows[each.act.conversation_id], directory, reach) for each in acts if _is_in(each, rows)]


def _is_in(each: ListedAct, rows: Mapping[UUID, Row]) -> bool:
    return each.act.conversation_id in rows


def _shown(each: ListedAct, row: Row, directory: Directory, reach: Collection[UUID]) -> ShownRuleAct:
    since, tone = _since(each, row, directory)
    act = each.act
    return ShownRuleAct(
        key=f"{act.conversation_id}-{act.command_id or act.action}",
        at=act.at,
        rule_id=act.rule_id,
        rule=next((rule.name for rule in directory.rules if rule.id == act.rule_id), act.rule_name),
        conversation_id=act.conversation_id,
        customer=customer_name(row),
        what=act_words(act, directory, translated),
        since=since,
        tone=tone,
        undo=_undo(each, row) if row.id in reach else None,
    )


def _since(each: ListedAct, row: Row, directory: Directory) -> tuple[str, ActTone]:
    """Returns what became of an action, and how that is to be seen."""
    why = phrases.rejection(each.act.rejection)
    match each.act.state:
        case "asked":
            return translated(gettext_noop("on its way")), ""
        case "again" if _waits_for(each.act.rule_id, row, directory):
            return translated(gettext_noop("tried again: %(why)s")) % {"why": why}, "waits"
        case "again":
            customer, tone = _customer_since(each, row, directory)
            not_done = translated(gettext_noop("not done: %(why)s")) % {"why": why}
            return f"{not_done} · {customer}", tone
        case "refused":
            return translated(gettext_noop("refused: %(why)s")) % {"why": why}, "lost"
        case "unknown":
            return translated(gettext_noop("unknown whether it was done")), "waits"
        case _:
            customer, tone = _customer_since(each, row, directory)
            if each.sent is None:
                return customer, tone
            is_mail = each.act.action == "mail"
            sent = phrases.mail_state(each.sent) if is_mail else state_words(cast(SendState, each.sent))
            return f"{sent} · {customer}", "waits" if each.sent in _NOT_SENT and not tone else tone


def _waits_for(rule_id: str, row: Row, directory: Directory) -> bool:
    """Whether a rule still looks at the conversation."""
    is_on = any(rule.on and rule.id == rule_id for rule in directory.rules)
    is_listed = row.reason is not None and row.status == "active"
    return is_on and is_listed and row.window_ends_at - words().now > MARGIN


_NOT_SENT = ("failed", "unknown", "dropped", "bounced", "suppressed", "complained")


def _customer_since(each: ListedAct, row: Row, directory: Directory) -> tuple[str, ActTone]:
    speech = words()
    if each.taken is not None:
        taken = translated(gettext_noop("answered in the WhatsApp Business app, %(time)s"))
        if each.taken.by is not None:
            taken = translated(gettext_noop("taken by %(name)s, %(time)s"))
        name = phrases.user_name(directory, each.taken.by or "")
        return taken % {"name": name, "time": speech.day_and_clock(each.taken.at)}, "good"
    if row.dismissed is not None:
        text = gettext_noop("dismissed by somebody else")
        if row.dismissed.by == issuer_of(each.act.rule_id):
            text = gettext_noop("not written again")
        return translated(text), ""
    if row.status == "closed" or row.window_ends_at <= speech.now:
        return (translated(gettext_noop("lost: nobody answered")), "lost") if row.reason else (_over(), "")
    owner = row.owner
    if owner is None:
        return (translated(gettext_noop("on the list")), "waits") if row.reason else (_over(), "")
    if owner.state == "reserved":
        left = speech.left(owner.until or row.window_ends_at)
        return translated(gettext_noop("waiting, %(time)s left")) % {"time": left}, "waits"
    return phrases.owner_now(directory, owner), "waits"


def _over() -> str:
    return translated(gettext_noop("taken care of"))


def _undo(each: ListedAct, row: Row) -> tuple[str, int | None] | None:
    """Returns how an action is taken back; None: it cannot be, or there is nothing to take back any more."""
    act = each.act
    if act.state != "done" or act.command_id is None:
        return None
    if act.action == "mail" and each.is_held:
        return url_for("conversations.recall_mail", command_id=act.command_id), None
    if act.action == "text" and each.is_held:
        return url_for("answers.recall", command_id=act.command_id), None
    recall = url_for("conversations.recall", id_=row.id), row.version
    if act.action == "dismiss" and row.dismissed is not None and row.dismissed.by == issuer_of(act.rule_id):
        return recall
    is_owned = (
        row.owner is not None and row.owner.state != "accepted" and row.window_ends_at - words().now > timedelta()
    )
    return recall if act.action == "transfer" and is_owned and each.is_last else None
