"""Which customers want no marketing messages from a number. Raises psycopg errors."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from psycopg import Connection

from domain.conversations.customers.identities import IdentityKey, keys_of
from domain.facts import MarketingPreference, Party
from domain.sending.sends import Send
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.sending.recipients import MEMBERS


def write_preferences(connection: Connection[Any], preferences: Iterable[MarketingPreference]) -> None:
    """Stores what customers want, under each of the ids by which Meta names them, unless something later is known:
    neither the order nor the repetition of preferences matters."""
    latest: dict[IdentityKey, MarketingPreference] = {}
    for preference in preferences:
        for key in keys_of(preference.phone_number_id, preference.customer):
            known = latest.get(key)
            if known is None or (preference.at, preference.id) > (known.at, known.id):
                latest[key] = preference
    rows = [(*key, latest[key].wants, latest[key].at, latest[key].id) for key in sorted(latest)]
    if rows:
        connection.execute(
            "insert into marketing_preferences as p (phone_number_id, kind, value, wants, at, input_id) "
            'select number, kind::"char", value, wants, at, id from unnest(%b::text[], %b::text[], %b::text[], '
            "%b::boolean[], %b::timestamptz[], %b::uuid[]) as t (number, kind, value, wants, at, id) "
            "on conflict (phone_number_id, kind, value) do update set wants = excluded.wants, at = excluded.at, "
            "input_id = excluded.input_id where (excluded.at, excluded.input_id) > (p.at, p.input_id)",
            column_arrays(rows),
        )


def has_opted_out(
    connection: Connection[Any], keys: Iterable[IdentityKey], phone_number_id: str, customer: UUID | None
) -> bool:
    """Returns whether the last that a customer said is that they want no marketing. They are asked for by the ids of an
    address and by all others that are known of the `customer`."""
    own = sorted(keys)
    row = connection.execute(
        "select p.wants from marketing_preferences p where p.phone_number_id = %(number)b and (p.kind, p.value) in ("
        'select kind::"char", value from unnest(%(kinds)b::text[], %(values)b::text[]) as t (kind, value) union all '
        "select i.kind, i.value from customers m join (select customer_id, phone_number_id, kind, value from "
        "identities union all select customer_id, phone_number_id, kind, value from identity_periods) i "
        f"on i.customer_id = m.id where {MEMBERS.format('%(customer)b::uuid')} and i.phone_number_id = %(number)b) "
        "order by p.at desc, p.input_id desc limit 1",
        {
            "number": phone_number_id,
            "kinds": [key.kind for key in own],
            "values": [key.value for key in own],
            "customer": customer,
        },
    ).fetchone()
    return row is not None and not row[0]


def is_unwanted(connection: Connection[Any], send: Send) -> bool:
    """Returns whether a send is marketing that its customer does not want any more."""
    if not send.is_marketing:
        return False
    ids = {"phone": "wa_id", "user_id": "user_id", "group": "group_id"}
    keys = keys_of(send.phone_number_id, Party.model_validate({ids[send.address_kind]: send.address}))
    return has_opted_out(connection, keys, send.phone_number_id, send.customer_id)
