"""What Meta says of our accounts and numbers, as last synchronised. Raises psycopg errors."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from domain.sending.numbers import GraphNumber
from infra.postgres.sending.people import PEOPLE_REACHED
from infra.postgres.sending.reports import NUMBERS


class AccountState(NamedTuple):
    """How the synchronisation with an account stands. `failure`: why the last one failed; None: it did not."""

    account_id: str
    synchronised_at: datetime | None
    failure: str | None
    subscribed: bool | None


class NumberState(NamedTuple):
    """A number: what Meta says of it, and what holds it back now. `people_reached`: whom
    templates reached from all numbers in the last 24 hours; `tokens`: messages that it may send at once; `reason`: why
    it is paused; `restriction`: how Meta restricted its account, as last reported at `restricted_at`."""

    phone_number_id: str
    account_id: str | None
    display: str | None
    name: str | None
    quality: str | None
    throughput: int
    people_per_day: int | None
    people_reached: int
    tokens: float | None
    paused_until: datetime | None
    templates_paused_until: datetime | None
    reason: str | None
    queued: int
    restriction: str | None = None
    restricted_at: datetime | None = None


class SendingTrouble(NamedTuple):
    """What people should look at. `unknown`: messages that Meta did not confirm; `paused`: numbers that send nothing
    now."""

    unknown: int
    paused: int


def sending_trouble(connection: Connection[Any]) -> SendingTrouble:
    """Returns the current trouble. Reads an index of unknown sends, and one row for each number."""
    row = connection.execute(
        "select (select count(*) from sends where state = 'unknown'), (select count(*) from lanes "
        "where greatest(paused_until, templates_paused_until) > clock_timestamp())"
    ).fetchone()
    assert row is not None
    return SendingTrouble(*row)


def known_numbers(connection: Connection[Any]) -> set[str]:
    """Returns the business numbers that Meta has told us of, and those that customers have written to. Reads one entry
    of an index for each."""
    found = connection.execute(
        "with recursive written as (select min(phone_number_id) as id from identities union all "
        "select (select min(phone_number_id) from identities where phone_number_id > written.id) from written "
        "where written.id is not null) "
        "select id from written where id is not null union select phone_number_id from graph_numbers"
    )
    return {row[0] for row in found}


def store_numbers(connection: Connection[Any], account_id: str, found: Iterable[GraphNumber], at: datetime) -> None:
    """Stores the numbers of an account as Meta reported them at `at`, and forgets those that it has no longer."""
    with connection.transaction():
        for n in sorted(found, key=lambda number: number.phone_number_id):
            connection.execute(
                "insert into graph_numbers (phone_number_id, account_id, display, name, quality, throughput, "
                "people_per_day, synchronised_at) values (%b, %b, %b, %b, %b, %b, %b, %b) "
                "on conflict (phone_number_id) do update set account_id = excluded.account_id, "
                "display = excluded.display, name = excluded.name, quality = excluded.quality, "
                "throughput = excluded.throughput, people_per_day = excluded.people_per_day, "
                "synchronised_at = excluded.synchronised_at",
                [n.phone_number_id, account_id, n.display, n.name, n.quality, n.throughput, n.people_per_day, at],
            )
        connection.execute("delete from graph_numbers where account_id = %b and synchronised_at < %b", [account_id, at])


def note_synchronised(
    connection: Connection[Any],
    account_id: str,
    at: datetime,
    apps: Sequence[str],
    clock_ahead: float | None = None,
) -> None:
    """Notes that an account was synchronised. `apps`: those that get its webhooks; `clock_ahead`: seconds by which
    Meta's clock is ahead of this machine's."""
    connection.execute(
        "insert into graph_accounts (account_id, synchronised_at, subscribed, apps, clock_ahead) "
        "values (%b, %b, %b, %b, %b) "
        "on conflict (account_id) do update set synchronised_at = excluded.synchronised_at, failed_at = null, "
        "failure = null, subscribed = excluded.subscribed, apps = excluded.apps, clock_ahead = excluded.clock_ahead",
        [account_id, at, bool(apps), list(apps), clock_ahead],
    )


def note_failed(connection: Connection[Any], account_id: str, at: datetime, why: str) -> None:
    """Notes that an account could not be synchronised."""
    connection.execute(
        "insert into graph_accounts (account_id, failed_at, failure) values (%b, %b, %b) "
        "on conflict (account_id) do update set failed_at = excluded.failed_at, failure = excluded.failure",
        [account_id, at, why],
    )


def accounts(connection: Connection[Any]) -> list[AccountState]:
    """Returns how the synchronisation with each account stands."""
    rows = connection.execute(
        "select account_id, synchronised_at, failure, subscribed from graph_accounts order by account_id"
    ).fetchall()
    return [AccountState(*row) for row in rows]


def numbers(connection: Connection[Any]) -> list[NumberState]:
    """Returns all numbers that Meta told us of, that are in the directory, or that something was sent from."""
    rows = connection.execute(
        "select phone_number_id, g.account_id, g.display, coalesce(nullif(g.name, ''), n.name), g.quality, "
        "coalesce(g.throughput, 80), g.people_per_day, p.reached, l.tokens, l.paused_until, "
        "l.templates_paused_until, l.reason, "
        "(select count(*) from sends s where s.phone_number_id = k.phone_number_id and s.state = 'queued'), "
        "r.value, r.at "
        "from (select phone_number_id from graph_numbers union select phone_number_id from numbers "
        f"union select phone_number_id from lanes) k left join {NUMBERS} g using (phone_number_id) "
        "left join numbers n using (phone_number_id) left join lanes l using (phone_number_id) "
        f"cross join {PEOPLE_REACHED} p (reached) "
        "left join meta_reports r on r.account_id = g.account_id and r.kind = 'account' and r.aspect = 'restriction' "
        "and r.value <> '' order by 1"
    ).fetchall()
    return [NumberState(*row) for row in rows]
