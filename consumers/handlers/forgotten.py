"""Facts that must not be stored any more: repeats and late facts about erased people, and facts that are older than
their number keeps what was written (decision 62). Without this, a repeat would bring back what was removed."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from prometheus_client import Counter
from psycopg import Connection

from domain.conversations.customers.identities import IdentityKey, keys_of
from domain.directory import Directory
from domain.facts import CustomerIdentityChanged, Fact, MailEvent, MessageStatus, Notice, Party
from domain.ids import fact_id
from domain.phone_numbers import is_user_id, split_ids
from domain.sending.callback import read_callback
from infra.kafka.consumer import IncomingRecord
from infra.postgres.connections.clock import database_now
from infra.postgres.retention.marks import NO_MARKS, Marks, has_marks, marks

ReadFact = tuple[IncomingRecord, Fact]

_PHONE = re.compile(r"\+?[0-9]{7,15}")
"""As Meta writes the phone of somebody."""

_FORGOTTEN = Counter("witiop_facts_forgotten", "Facts that were not stored, because they were removed before.", ["why"])


def without_forgotten(connection: Connection[Any], read: Sequence[ReadFact], directory: Directory) -> list[ReadFact]:
    """Returns the facts that are to be stored. The caller holds the shared lock of the directory: an erasure takes the
    exclusive one, so either all of a batch was committed before it, or the batch sees its marks. One short statement
    while there are no marks; one more if there are, and one more if a number keeps messages for a limited time."""
    if not read:
        return []
    known = _known(connection, read) if has_marks(connection) else NO_MARKS
    limited = any(number.retention.texts is not None for number in directory.numbers.values())
    if not (known.ids or known.until or limited):
        return [*read]
    now = database_now(connection) if limited else None
    kept: list[ReadFact] = []
    for record, fact in read:
        if _is_erased(fact, known):
            _FORGOTTEN.labels("erased").inc()
        elif now is not None and _is_over(fact, directory, now):
            _FORGOTTEN.labels("over").inc()
        else:
            kept.append((record, fact))
    return kept


def _known(connection: Connection[Any], read: Sequence[ReadFact]) -> Marks:
    ids = {id_ for _, fact in read for id_ in _ids(fact)}
    return marks(connection, ids, {key for _, fact in read for key in _keys(fact)})


def _is_erased(fact: Fact, known: Marks) -> bool:
    if known.ids and not known.ids.isdisjoint(_ids(fact)):
        return True
    return any(fact.at <= until for key in _keys(fact) if (until := known.until.get(key)) is not None)


def _is_over(fact: Fact, directory: Directory, now: datetime) -> bool:
    number = getattr(fact, "phone_number_id", None)
    return number is not None and directory.number(number).retention.is_over(fact.at, now)


def _ids(fact: Fact) -> Iterator[UUID]:
    """Yields the ids of the fact, of the message, send or mail that it reports about, and of the conversation that it
    names."""
    yield fact.id
    if isinstance(fact, MessageStatus):
        yield fact_id("message", fact.phone_number_id, fact.wamid)
        if fact.callback is not None and (callback := read_callback(fact.callback)) is not None:
            yield callback.send
    if isinstance(fact, MailEvent):
        yield fact.mail_id
    for name in ("conversation_id", "send_id"):
        if (named := getattr(fact, name, None)) is not None:
            yield named


def _keys(fact: Fact) -> list[IdentityKey]:
    number: str | None = getattr(fact, "phone_number_id", None)
    if number is None:
        return []
    if isinstance(fact, MessageStatus):
        wa_id, user_id = split_ids(fact.recipient or None, fact.recipient_user_id)
        return keys_of(number, Party(wa_id=wa_id, user_id=user_id))
    if isinstance(fact, Notice):
        return [key for name in set(_names_in(fact.body)) for key in _keys_of_name(number, name)]
    party: Party | None = getattr(fact, "customer", None)
    keys = keys_of(number, party) if party is not None else []
    return [*keys, *keys_of(number, fact.becomes)] if isinstance(fact, CustomerIdentityChanged) else keys


def _names_in(body: object) -> Iterator[str]:
    """Yields what may be the phone or user id of somebody in an update that is stored as it came, such as an old
    message."""
    rest = [body]
    while rest:
        part = rest.pop()
        if isinstance(part, dict):
            rest += part.values()
        elif isinstance(part, list):
            rest += part
        elif isinstance(part, str) and (_PHONE.fullmatch(part) or is_user_id(part)):
            yield part


def _keys_of_name(number: str, name: str) -> list[IdentityKey]:
    wa_id, user_id = split_ids(name, None)
    return keys_of(number, Party(wa_id=wa_id, user_id=user_id))
