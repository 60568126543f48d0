"""Who wants no messages now: the one place where opt-outs are read to decide about messages. They follow a customer
through all ids that are known of them, and stay behind when a phone changes hands. Raises psycopg errors."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.command_bodies.campaigns import OptOutScope
from domain.conversations.customers.identities import IdentityKey, keys_of, phone_identity
from domain.facts import Party
from domain.opt_outs.opt_out import OptOutSource, concerns, stronger
from domain.sending.sends import Send
from infra.postgres.connections.arrays import column_arrays

_SAME_ID: LiteralString = "n.phone_number_id = {0}.phone_number_id and n.kind = {0}.kind and n.value = {0}.value"
_IN_FORCE: LiteralString = f"""
with asked as materialized (
  select place, phone_number_id, kind::"char" as kind, value, customer
  from unnest(%b::integer[], %b::text[], %b::text[], %b::text[], %b::uuid[])
    as t (place, phone_number_id, kind, value, customer) where exists (select from opt_outs)
), held as materialized (  -- since when and by whom an address is held
  select a.*, coalesce(r.since, '-infinity') as since, coalesce(p.customer_id, f.customer_id) as holder
  from asked a
  left join lateral (
    select n.customer_id from identity_periods n where {_SAME_ID.format("a")}
    order by n.since desc, n.arrival desc, n.report desc limit 1
  ) p on true
  left join lateral (  -- a user id that was never reported may be another one of the same person
    select n.since from identity_periods n where p.customer_id is not null and {_SAME_ID.format("a")}
      and exists (select from identity_periods o where o.report = n.report and o.left_for is not null)
    order by n.since desc, n.arrival desc, n.report desc limit 1
  ) r on true
  left join lateral (  -- with a limit, so that it is looked up by index, however many are asked for
    select n.customer_id from identities n where {_SAME_ID.format("a")} limit 1
  ) f on true
), roots as (
  select distinct h.place, h.phone_number_id, c.id
  from held h cross join lateral (values (h.holder), (h.customer)) k (id)
  cross join lateral (
    select coalesce(n.merged_into, n.id) as id from customers n where n.id = k.id offset 0
  ) c where k.id is not null
), members as (
  select place, phone_number_id, id from roots
  union all select r.place, r.phone_number_id, c.id
  from roots r cross join lateral (select n.id from customers n where n.merged_into = r.id offset 0) c
), ids as materialized (  -- when which id was the customer's
  select m.place, m.phone_number_id, i.kind, i.value, i.since, (
    select min(n.since) from identity_periods n where {_SAME_ID.format("i")} and n.since > i.since
  ) as until
  from members m cross join lateral (
    select phone_number_id, kind, value, '-infinity'::timestamptz as since from identities where customer_id = m.id
    union all select phone_number_id, kind, value, since from identity_periods where customer_id = m.id
  ) i where i.phone_number_id = m.phone_number_id
  union select place, phone_number_id, kind, value, since, null from held
), erased as materialized (  -- only then the hash of an address is looked for as well
  select exists (select from opt_outs where address = '') as there
), said as materialized (
  select i.place, o.phone_number_id, o.kind, o.value, o.address, o.source, o.scope, o.at, o.input_id,
    o.at >= i.since and coalesce(o.at < i.until, true) as sets, max((o.ended_at, o.ended_id)) filter (
      where o.ended_at >= i.since and coalesce(o.ended_at < i.until, true)
    ) over (partition by i.place, o.source, o.scope) as ended
  from ids i cross join erased e cross join lateral (
    select * from opt_outs n
    where n.value in (i.value, case when e.there then erased_value(i.kind::text, i.value) end)
      and n.kind = i.kind and n.phone_number_id in (i.phone_number_id, '') offset 0
  ) o
)
select distinct on (place, phone_number_id, kind, value, source, scope)
  place, phone_number_id, kind::text, value, address, source, scope
from said where sets and (ended is null or ended <= (at, input_id))
"""
"""The opt-outs in force for each asked address, by index: about ten rows are read for each, none while there are no
opt-outs at all. Those of an address end when Meta reports that it changed hands, and not because another user id was
seen with it. `offset 0` and `limit` keep each look-up by itself: joined, a plan for any number of addresses compared
each of them with each opt-out. What is known of one of a customer's ids ends what is known of another, if it is later
and of the same source and scope. An opt-out of an erased person has a keyed hash in place of the address: if they write
again, it still counts."""


class AskedAddress(NamedTuple):
    """An address that a message would go to. `customer`: to whom it would go, who may have left the address."""

    key: IdentityKey
    customer: UUID | None = None


class OptOutInForce(NamedTuple):
    """A row of opt-outs that counts now."""

    phone_number_id: str
    kind: str
    value: str
    address: str
    source: OptOutSource
    scope: OptOutScope


def in_force(connection: Connection[Any], asked: Sequence[AskedAddress]) -> list[list[OptOutInForce]]:
    """Returns the opt-outs that count for each of the addresses."""
    found: list[list[OptOutInForce]] = [[] for _ in asked]
    if asked:
        rows = [(place, *each.key, each.customer) for place, each in enumerate(asked)]
        for place, *row in connection.execute(_IN_FORCE, column_arrays(rows)):
            found[place].append(OptOutInForce(*row))
    return found


def opted_out_addresses(connection: Connection[Any], keys: Collection[IdentityKey]) -> dict[IdentityKey, OptOutScope]:
    """Returns which of the addresses want no messages, and which messages: `marketing`, or every template (`all`)."""
    ordered = sorted(keys)
    found = in_force(connection, [AskedAddress(key) for key in ordered])
    scopes = {key: stronger(each.scope for each in rows) for key, rows in zip(ordered, found, strict=True)}
    return {key: scope for key, scope in scopes.items() if scope is not None}


def scope_of(
    connection: Connection[Any], phone_number_id: str, customer: Party, known_as: UUID | None
) -> OptOutScope | None:
    """Returns what a customer wants no messages of; None: they want them. `known_as`: who the customer is, if known."""
    keys = keys_of(phone_number_id, customer)
    found = in_force(connection, [AskedAddress(key, known_as) for key in keys])
    return stronger(each.scope for rows in found for each in rows)


def unwanted(connection: Connection[Any], sends: Iterable[Send]) -> set[UUID]:
    """Returns those of the sends that their customers do not want any more, asked in one statement: what was committed
    before it counts (C3)."""
    templates = [send for send in sends if send.kind == "template" and send.address_kind != "group"]
    found = in_force(connection, [AskedAddress(_key(send), send.customer_id) for send in templates])
    return {
        send.id
        for send, rows in zip(templates, found, strict=True)
        if concerns(stronger(each.scope for each in rows), is_template=True, is_marketing=send.is_marketing)
    }


def _key(send: Send) -> IdentityKey:
    if send.address_kind == "phone":
        return phone_identity(send.phone_number_id, send.address)
    return IdentityKey(send.phone_number_id, "u", send.address)
