"""The tolerant reader of Meta's bodies (webhooks.md): bytes -> facts and unreadable parts.

No part of a body can block the others: each update in each entry, change and array becomes one fact, or one unreadable
part with a body of its own, which this reader reads in the same way.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count

from domain.arrival import arrival
from domain.facts import Fact
from domain.inbound.json_body import (
    InvalidJson,
    Json,
    JsonObject,
    TooManyNodes,
    dump,
    identifier,
    moment,
    nested,
    parse,
)
from domain.inbound.reading import BodyReading, UnreadablePart
from domain.inbound.whatsapp import accounts
from domain.inbound.whatsapp import updates as facts
from domain.inbound.whatsapp.parties import Contacts
from domain.inbound.whatsapp.updates import UnusableUpdate, WebhookChange, role_of
from domain.phone_numbers import split_ids

MAX_UPDATES = 10_000
"""The largest number of updates in a body that is read update by update: ten times what Meta sends. A body with more is
unreadable as a whole, because three megabytes of `{},` would become a million records."""

_Reader = Callable[[WebhookChange, JsonObject], Fact]
_Path = tuple[str | int, ...]
"""The position of an update in its change's `value`: keys, and 0 for an array, because in the body of an unreadable
part the update is the only element."""

_ARRAYS: dict[str, _Reader] = {
    "messages": facts.message,
    "statuses": facts.status,
    "errors": facts.error,
    "calls": facts.call,
    "message_echoes": facts.echo,
    "user_preferences": accounts.preference,
}
_STANDBY = _ARRAYS | {"messages": facts.standby, "message_echoes": facts.spoken_by_ai}
_FIELDS: dict[str, dict[str, _Reader]] = {
    "messages": _ARRAYS,
    "calls": _ARRAYS,
    "smb_message_echoes": _ARRAYS,
    "user_preferences": _ARRAYS,
    "standby": _STANDBY,
    "history": _ARRAYS | {"messages": facts.old_message, "message_echoes": facts.old_message},
}
"""The fields that hold arrays of updates, with the readers of these arrays. Any other field is one update."""
_SINGLE: dict[str, _Reader] = {
    "messaging_handovers": facts.handover,
    "message_template_status_update": accounts.template_status,
    "message_template_quality_update": accounts.template_quality,
    "template_category_update": accounts.template_category,
    "phone_number_quality_update": accounts.number_limit,
    "business_capability_update": accounts.capability,
    "account_update": accounts.account_update,
}
"""The fields that are one update each, and have a reader of their own."""

_CONTEXT = frozenset({"messaging_product", "metadata", "contacts"})
"""Keys of `value` that are not updates, but describe them."""


def read(body: bytes, received_at: datetime) -> BodyReading:
    """Returns all updates of a signed body. Their times are limited by `received_at` (aware UTC). Never raises."""
    try:
        document = parse(body)
    except TooManyNodes as error:
        return _whole(body, f"body: {error}")
    except InvalidJson:
        return _whole(body, "body: not valid JSON")
    if not isinstance(document, dict):
        return _whole(body, "body: not an object")
    entries = document.get("entry")
    if not isinstance(entries, list):
        return _whole(body, "entry: not an array")
    result = _Result()
    arrivals = count(arrival(received_at))
    try:
        for entry in entries:
            _read_entry(entry, received_at, arrivals, result)
    except _TooMany:
        return _whole(body, f"body: more than {MAX_UPDATES} updates")
    return BodyReading(result.facts, result.unreadable)


def _whole(body: bytes, reason: str) -> BodyReading:
    return BodyReading((), (UnreadablePart(body, reason),))


class _TooMany(Exception):
    """A body holds more than MAX_UPDATES."""


class _Result:
    """Facts and unreadable parts of the body so far."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.unreadable: list[UnreadablePart] = []

    def add(self, fact: Fact) -> None:
        self.facts.append(fact)
        self._count()

    def add_unreadable(self, entry: Json, reason: str) -> None:
        raw = dump({"object": "whatsapp_business_account", "entry": [entry]})
        self.unreadable.append(UnreadablePart(raw, reason))
        self._count()

    def _count(self) -> None:
        if len(self.facts) + len(self.unreadable) > MAX_UPDATES:
            raise _TooMany


def _read_entry(entry: Json, received_at: datetime, arrivals: Iterator[int], result: _Result) -> None:
    if not isinstance(entry, dict):
        result.add_unreadable(entry, "entry: not an object")
        return
    changes = entry.get("changes")
    if not isinstance(changes, list):
        result.add_unreadable(entry, "changes: not an array")
        return
    account_id, time = identifier(entry, "id"), moment(entry.get("time"))
    for change in changes:
        if not isinstance(change, dict):
            result.add_unreadable(_entry(account_id, time, change), "changes: not an object")
            continue
        field = identifier(change, "field")
        if field is None:
            result.add_unreadable(_entry(account_id, time, change), "changes: field is missing or invalid")
            continue
        value = change.get("value")
        contents = value if isinstance(value, dict) else {}
        metadata = nested(contents, "metadata")
        context = WebhookChange(
            received_at=received_at,
            arrivals=arrivals,
            account_id=account_id or "",
            time=time,
            field=field,
            number=identifier(metadata, "phone_number_id"),
            display=split_ids(identifier(metadata, "display_phone_number"), None)[0],
            contacts=Contacts([*_list(contents, "contacts"), *_list(nested(contents, "standby"), "contacts")]),
        )
        _ChangeReader(context, result).read(value)


class _ChangeReader:
    """Reads the updates in the value of one change."""

    def __init__(self, change: WebhookChange, result: _Result) -> None:
        self._change = change
        self._result = result

    def read(self, value: Json) -> None:
        field = self._change.field
        if field in _FIELDS:
            self._object((), value, _FIELDS[field])
        elif field in _SINGLE and isinstance(value, dict):
            self._update((), value, _SINGLE[field])
        elif field == "messaging_handovers":
            self._add_unreadable((), value, "not an object")
        else:
            self._result.add(facts.other(self._change, value))

    def _object(self, path: _Path, value: Json, readers: dict[str, _Reader]) -> None:
        """Reads the arrays of an object. Its unknown fields together become one notice, and so does the whole object if
        it has no array."""
        if not isinstance(value, dict):
            self._add_unreadable(path, value, "not an object")
            return
        rest = {}
        for key, part in value.items():
            if key in readers:
                self._array((*path, key), part, readers[key])
            elif key == "contacts" and not isinstance(part, list):
                self._add_unreadable((*path, key), part, "not an array")
            elif key == "standby" and isinstance(part, dict):
                self._object((*path, key), part, _STANDBY)
            elif key == "standby":
                self._array((*path, key), part, facts.standby)
            elif key == "history":
                self._history(part)
            elif key not in _CONTEXT:
                rest[key] = part
        if value and value.keys() <= _CONTEXT and isinstance(value.get("contacts", []), list):
            rest = value
        if rest:
            self._result.add(facts.other(self._change, rest))

    def _array(self, path: _Path, updates: Json, reader: _Reader) -> None:
        if not isinstance(updates, list):
            self._add_unreadable(path, updates, "not an array")
            return
        for update in updates:
            self._update((*path, 0), update, reader)

    def _history(self, chunks: Json) -> None:
        """Reads chunks of threads of messages. The other fields of a chunk (its phase, an error) become a notice."""
        if not isinstance(chunks, list):
            self._add_unreadable(("history",), chunks, "not an array")
            return
        for chunk in chunks:
            if not isinstance(chunk, dict):
                self._add_unreadable(("history", 0), chunk, "not an object")
                continue
            threads = chunk.get("threads", [])
            if not isinstance(threads, list):
                self._add_unreadable(("history", 0, "threads"), threads, "not an array")
                threads = []
            for thread in threads:
                path = ("history", 0, "threads", 0)
                if isinstance(thread, dict):
                    self._array((*path, "messages"), thread.get("messages"), facts.old_message)
                else:
                    self._add_unreadable(path, thread, "not an object")
            if rest := {key: part for key, part in chunk.items() if key != "threads"}:
                self._result.add(facts.other(self._change, rest))

    def _update(self, path: _Path, update: Json, reader: _Reader) -> None:
        if not isinstance(update, dict):
            self._add_unreadable(path, update, "not an object")
            return
        try:
            fact = reader(self._change, update)
        except UnusableUpdate as error:
            self._add_unreadable(path, update, f"{error} is missing or invalid")
        else:
            self._result.add(fact)

    def _add_unreadable(self, path: _Path, part: Json, reason: str) -> None:
        change = self._change
        where = ".".join([step for step in path if isinstance(step, str)]) or change.field
        value = {**self._context(path, part), **_nested_at(path, part)} if path else part
        entry = _entry(change.account_id, change.time, {"field": change.field, "value": value})
        self._result.add_unreadable(entry, f"{where}: {reason}")

    def _context(self, path: _Path, part: Json) -> JsonObject:
        """Returns the metadata and the contact that are needed to read an update again, with bounded size: a thousand
        updates must not repeat one huge contact."""
        change = self._change
        metadata = {"display_phone_number": change.display, "phone_number_id": change.number}
        context: JsonObject = {"metadata": {key: value for key, value in metadata.items() if value}}
        if isinstance(part, dict):
            contact = change.contacts.of(part, role_of(str(path[-2] if path[-1] == 0 else path[-1]), part))
            if contact is not None:
                context["contacts"] = [contact.body()]
        return context


def _entry(account_id: str | None, time: datetime | None, change: Json) -> JsonObject:
    entry: JsonObject = {"id": account_id or "", "changes": [change]}
    return entry | {"time": int(time.timestamp())} if time else entry


def _nested_at(path: _Path, part: Json) -> JsonObject:
    key, *deeper = path
    for step in reversed(deeper):
        part = {step: part} if isinstance(step, str) else [part]
    return {str(key): part}


def _list(holder: JsonObject, key: str) -> list[Json]:
    value = holder.get(key)
    return value if isinstance(value, list) else []
