"""Who a person is for this product: their customers at each number, addresses, conversations, and what belongs to
these. Raises psycopg errors."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection
from pydantic_core import from_json, to_json

from domain.campaigns.recipients import campaign_send_id
from domain.ids import CustomerId
from domain.phone_numbers import phone_key
from infra.postgres.campaigns.answers import MAY_BE_SENT
from infra.postgres.retention.personal import HOLDINGS, OF_CONVERSATION, Found, Holding

_SHORTEST = 7
"""Characters of an address that is looked for in texts: a shorter one would be found in anything."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A person, or some conversations alone. `values`: the addresses as they are stored anywhere: phones with and
    without the digits that variants have, user ids; `messages`: ids of their facts; `numbers` and `wamids`: of
    messages, side by side; `files`: hashes of the files that came with their messages, or were sent to them."""

    customers: tuple[UUID, ...] = ()
    values: tuple[str, ...] = ()
    conversations: tuple[UUID, ...] = ()
    messages: tuple[UUID, ...] = ()
    numbers: tuple[str, ...] = ()
    wamids: tuple[str, ...] = ()
    sends: tuple[UUID, ...] = ()
    uploads: tuple[UUID, ...] = ()
    mails: tuple[UUID, ...] = ()
    files: tuple[str, ...] = ()

    def without_person(self) -> "Subject":
        """Returns the conversations and messages alone."""
        return replace(self, customers=(), values=())

    def arrays(self, until: datetime) -> dict[str, Any]:
        """Returns the parameters of `Holding.where`. `until`: of tables that are read through, rows up to then."""
        values = [value for value in self.values if len(value) >= _SHORTEST]
        return {
            "customers": [*self.customers],
            "values": values,
            "conversations": [*self.conversations],
            "messages": [*self.messages],
            "numbers": [*self.numbers],
            "wamids": [*self.wamids],
            "sends": [*self.sends],
            "uploads": [*self.uploads],
            "mails": [*self.mails],
            "until": until,
        }

    def to_json(self) -> str:
        """Returns the subject as JSON, which `of_json` reads back."""
        return to_json({name: getattr(self, name) for name in _FIELDS}).decode()

    @classmethod
    def of_json(cls, text: str) -> "Subject":
        """Returns the subject of its JSON."""
        stored = from_json(text)
        return cls(**{name: tuple(map(_FIELDS[name], stored.get(name, ()))) for name in _FIELDS})


_FIELDS: dict[str, Any] = {
    "customers": UUID,
    "values": str,
    "conversations": UUID,
    "messages": UUID,
    "numbers": str,
    "wamids": str,
    "sends": UUID,
    "uploads": UUID,
    "mails": UUID,
    "files": str,
}


def customers_of(connection: Connection[Any], phone: str | None, customer: UUID | None) -> set[CustomerId]:
    """Returns the customers, at all numbers, of a phone in digits, or those with whom one customer was joined. Takes no
    lock. By phone those who have it now: who had it before is another person. O(numbers)."""
    rows = connection.execute(
        f"with named as ({_NAMED}), roots as (select coalesce(c.merged_into, c.id) as id from customers c "
        "join named n on n.customer_id = c.id) select c.id from customers c join roots on c.id = roots.id "
        "union select c.id from customers c join roots on c.merged_into = roots.id",
        {"customer": customer, "key": phone_key(phone) if phone else None},
    ).fetchall()
    return {row[0] for row in rows}


_HOLDERS: LiteralString = """
select distinct on (phone_number_id, kind, value) phone_number_id, kind, value, customer_id from (
  select phone_number_id, kind, value, customer_id, since, arrival, report from identity_periods where {0}
  union all
  select phone_number_id, kind, value, customer_id, '-infinity', 0, customer_id from identities where {0}
) as periods order by phone_number_id, kind, value, since desc, arrival desc, report desc
"""
"""Who has an address at each number now."""
_NAMED: LiteralString = (
    "select %(customer)b::uuid as customer_id where %(customer)b::uuid is not null union select customer_id from ("
    + _HOLDERS.replace("{0}", "kind = 'w' and value = %(key)b::text")
    + ") as holders"
)


def direct_sends(connection: Connection[Any], customers: Collection[UUID], phone: str | None) -> set[UUID]:
    """Returns the sends to these customers and this phone that need not lead to a conversation: of campaigns, as far as
    they reached the person, and templates that somebody sent. O(templates that were sent one by one)."""
    values = {"customers": [*customers], "values": sorted(_values(connection, customers, phone))}
    rows = connection.execute(_REACHED, values).fetchall()
    of_campaigns = {
        campaign_send_id(campaign, row_no, attempt) for campaign, row_no, n in rows for attempt in range(1, n + 1)
    }
    return of_campaigns | _column(connection, _SINGLE_TEMPLATES, values)


def subject_of(
    connection: Connection[Any], customers: Collection[UUID], phone: str | None, direct: Collection[UUID]
) -> Subject:
    """Returns what belongs to these customers and, if given, this phone in digits. `direct`: as `direct_sends`
    returned them. O(rows of the person)."""
    ids = {"customers": [*customers]}
    values = _values(connection, customers, phone)
    conversations = _column(
        connection, "select id from conversations where customer_id = any(%(customers)b::uuid[])", ids
    )
    found = of_conversations(connection, conversations, customers, direct)
    silent = _column(connection, _SILENT, {"values": sorted(values)})
    return replace(found, customers=tuple(sorted({*customers, *silent})), values=tuple(sorted(values)))


def _values(connection: Connection[Any], customers: Collection[UUID], phone: str | None) -> set[str]:
    """Returns the addresses of a person that nobody else has now."""
    ids = {"customers": [*customers]}
    values: set[str] = {phone, phone_key(phone)} if phone else set()
    values |= {value for value in _column(connection, _VALUES, ids) if value}
    return values - _column(connection, _OF_OTHERS, {**ids, "values": sorted(values)})


_VALUES: LiteralString = """
select value from identities where customer_id = any(%(customers)b::uuid[])
union select user_id from identities where customer_id = any(%(customers)b::uuid[])
union select value from identity_periods where customer_id = any(%(customers)b::uuid[])
union select user_id from identity_periods where customer_id = any(%(customers)b::uuid[])
union select v from conversations c cross join lateral (values (c.wa_id), (c.user_id), (c.group_id)) as a (v)
  where c.customer_id = any(%(customers)b::uuid[])
"""
_OF_OTHERS: LiteralString = (
    "select value from (" + _HOLDERS.replace("{0}", "value = any(%(values)b::text[])") + ") as holders group by value "
    "having bool_and(holders.customer_id <> all(%(customers)b::uuid[]))"
)
"""Addresses that others have now at all numbers: they changed hands."""
_SILENT: LiteralString = """
select i.customer_id from identities i where i.value = any(%(values)b::text[])
  and not exists (select from conversations c where c.customer_id = i.customer_id)
  and not exists (select from entries e where e.customer_id = i.customer_id and e.conversation_id is null)
"""
"""Who had these addresses before and never wrote: when somebody takes a phone over, nobody knows from whom."""
_REACHED: LiteralString = (
    "select r.campaign_id, r.row_no, r.attempt::integer from (select distinct phone_number_id from campaigns) k "
    "join recipients r on r.phone_number_id = k.phone_number_id and r.address_key = any(%(values)b::text[]) "
    f"and {MAY_BE_SENT}"
)
_SINGLE_TEMPLATES: LiteralString = (
    "select id from sends where kind = 'template' and campaign_id is null "
    "and (customer_id = any(%(customers)b::uuid[]) or customer_id is null "
    "and (address = any(%(values)b::text[]) or wa_id = any(%(values)b::text[])))"
)


def of_conversations(
    connection: Connection[Any],
    conversations: Collection[UUID],
    customers: Collection[UUID] = (),
    direct: Collection[UUID] = (),
) -> Subject:
    """Returns what belongs to these conversations and to these sends besides (`direct`), and the facts of these
    customers that belong to no conversation."""
    ids = {"conversations": [*conversations], "customers": [*customers]}
    facts = connection.execute(_FACTS, ids).fetchall()
    messages = [row[0] for row in facts]
    of_them = "select id from sends where conversation_id = any(%(conversations)b::uuid[])"
    sends = {*_column(connection, of_them, ids), *direct}
    mails = _column(connection, "select id from mails where conversation_id = any(%(conversations)b::uuid[])", ids)
    uploads, files = _sent_files(connection, sends)
    received = connection.execute(
        "select sha256 from media where message_id = any(%b::uuid[]) and sha256 is not null", [messages]
    ).fetchall()
    # also the messages that they edit, delete or react to: an edit is kept with its message, which may never have come
    of_facts = {(number, each) for _, number, *wamids in facts for each in wamids if number and each}
    named = sorted({*of_facts, *_wamids(connection, sends)})
    return Subject(
        conversations=tuple(sorted(conversations)),
        messages=tuple(sorted(set(messages))),
        numbers=tuple(number for number, _ in named),
        wamids=tuple(wamid for _, wamid in named),
        sends=tuple(sorted(sends)),
        uploads=tuple(sorted(uploads)),
        mails=tuple(sorted(mails)),
        files=tuple(sorted({*files, *(row[0] for row in received)})),
    )


_FACTS: LiteralString = """
select e.input_id, coalesce(e.detail ->> 'phone_number_id', c.phone_number_id), e.wamid, e.detail ->> 'marks'
from entries e left join conversations c on c.id = e.conversation_id
where e.conversation_id = any(%(conversations)b::uuid[])
  or e.conversation_id is null and e.customer_id = any(%(customers)b::uuid[])
"""


def _wamids(connection: Connection[Any], sends: Collection[UUID]) -> list[tuple[str, str]]:
    """Returns number and wamid of the messages that were sent."""
    return connection.execute(
        "select phone_number_id, wamid from sends where id = any(%b::uuid[]) and wamid is not null", [[*sends]]
    ).fetchall()


def _sent_files(connection: Connection[Any], sends: Collection[UUID]) -> tuple[set[UUID], set[str]]:
    """Returns the uploads, with their hashes, that were sent by these sends and no others."""
    rows = connection.execute(
        "select distinct u.id, u.sha256 from sends s join uploads u on u.id = s.upload_id "
        "where s.id = any(%(sends)b::uuid[]) and not exists (select from sends o where o.upload_id = u.id "
        "and o.id <> all(%(sends)b::uuid[]))",
        {"sends": [*sends]},
    ).fetchall()
    return {row[0] for row in rows}, {row[1] for row in rows}


def _column(connection: Connection[Any], query: LiteralString, values: dict[str, Any]) -> set[Any]:
    return {row[0] for row in connection.execute(query, values).fetchall() if row[0] is not None}


# what there is


def allow_long(connection: Connection[Any]) -> None:
    """Lets statements of the caller's transaction take an hour: some tables are read as a whole."""
    connection.execute("set local statement_timeout = '1h'")


def holdings(*found: Found) -> Iterator[Holding]:
    """Yields the holdings that are found in one of these ways."""
    return (each for each in HOLDINGS if each.found in found)


def counted(connection: Connection[Any], subject: Subject, now: datetime, *, everything: bool) -> dict[str, int]:
    """Returns table -> how many rows an erasure would remove or change; tables without any are left out. `everything`:
    reads some tables as a whole; otherwise only what is found by index, of tables of which a person gets a copy."""
    arrays, n = subject.arrays(now), dict[str, int]()
    for each in HOLDINGS:
        if not everything and (not each.exported or each.found == "sweep"):
            continue
        where: LiteralString = OF_CONVERSATION if each.beside else each.where
        row = connection.execute(f"select count(*) from {each.table} t where {where}", arrays).fetchone()
        assert row is not None
        n[each.table] = n.get(each.table, 0) + row[0]
    return {table: rows for table, rows in n.items() if rows}


def exported(connection: Connection[Any], subject: Subject, now: datetime) -> Iterator[tuple[str, Iterable[str]]]:
    """Yields each table of which a person gets a copy, with its rows as JSON. To be read in one snapshot."""
    arrays = subject.arrays(now)
    for table in dict.fromkeys(each.table for each in HOLDINGS if each.exported):
        where: LiteralString = " or ".join([f"({h.where})" for h in HOLDINGS if h.table == table and h.exported])
        yield table, _rows(connection, table, where, arrays)


_HIDDEN: LiteralString = "array['secret', 'search', 'words', 'fingerprint']"
"""Columns that say nothing of a person, or are ours alone."""


def _rows(
    connection: Connection[Any], table: LiteralString, where: LiteralString, arrays: dict[str, Any]
) -> Iterator[str]:
    with connection.cursor(name=f"export_{table}") as cursor:
        cursor.itersize = 500
        cursor.execute(f"select (to_jsonb(t) - {_HIDDEN})::text from {table} t where {where}", arrays)
        for (row,) in cursor:
            yield row
