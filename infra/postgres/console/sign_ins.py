"""People who are signed in to the console or try to be: their sessions, and the counts of attempts. What administrators
do with sign-ins is in `infra.postgres.console.people`. Functions raise psycopg errors."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, LiteralString, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from domain.directory import Level
from infra.postgres.lists.unmanaged import ChosenStatus, Order

TRIES_SPAN = timedelta(minutes=15)
"""Attempts are counted within spans of this length."""
MAX_SESSIONS = 20
"""Sessions of one person at a time."""
_FORGOTTEN_AT_ONCE = 20
"""Counts that one attempt deletes at most; it adds five."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person who has a sign-in. `level` None: they are disabled, or the directory does not have them (any more).
    `skillsets`: of a supervisor. `answers`: they may have conversations, so they can take one. `page_rows`,
    `list_order`, `list_status`: what they chose for the list last; `moves_on`: whether a transfer opens the next
    conversation. `language`, `time_zone` None: the browser's. `provider`: they sign in at the OpenID provider.
    `must_change`: their password is an administrator's; `awaits_code`: the session lacks the second factor,
    `has_factor`: they have one. `as_of`: the database snapshot in which they were read; `directory`: the directory's
    version in it; `now`: when, by the
    database's clock."""

    name: str
    shown_name: str
    level: Level | None
    skillsets: Sequence[str]
    answers: bool
    page_rows: int
    list_order: Order
    list_status: ChosenStatus
    moves_on: bool
    language: str | None
    time_zone: str | None
    provider: bool
    must_change: bool
    has_factor: bool
    as_of: str
    directory: int
    now: datetime
    awaits_code: bool = False


class LivePerson(NamedTuple):
    """The person of a live session. `skillsets`: of a supervisor."""

    level: Level
    skillsets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """When a session ends: `idle` after its last use, `longest` after its beginning. Sessions that began before `since`
    are over (None: there is no such limit)."""

    idle: timedelta = timedelta(hours=1)
    longest: timedelta = timedelta(hours=12)
    since: datetime | None = None


LEVEL: LiteralString = "case when i.disabled_at is null then coalesce(i.level, u.level) end"
SKILLSETS: LiteralString = "coalesce(i.skillsets, u.skillsets, '{}')"
NAMED: LiteralString = f"""
  i.name, coalesce(u.name, i.shown_name, i.name) as shown_name, {LEVEL} as level
"""
_PERSON: LiteralString = f"""
  {NAMED}, {SKILLSETS} as skillsets,
  coalesce(u.max_conversations > 0, false) as answers, i.page_rows, i.list_order, i.list_status, i.moves_on,
  i.language, i.time_zone, i.provider, i.must_change,
  exists (select from second_factors f where f.name = i.name and f.confirmed_at is not null) as has_factor,
  pg_current_snapshot()::text as as_of, (select version from directory_version) as directory,
  clock_timestamp() as now
"""

IS_LIVE: LiteralString = """
  s.began_at > now() - case when s.awaits_code then least(%(longest)s, interval '10 minutes') else %(longest)s end
  and s.seen_at > now() - %(idle)s and (%(since)s::timestamptz is null or s.began_at >= %(since)s)
"""
"""Whether a session is live. A code of the second factor has to be entered within ten minutes."""


def values_of(terms: SessionTerms) -> dict[str, Any]:
    """Returns the parameters of `IS_LIVE`."""
    return {"idle": terms.idle, "longest": terms.longest, "since": terms.since}


# people


def password_of(conn: Connection[Any], name: str) -> tuple[Person, str | None] | None:
    """A person and their password hash (None: they sign in at the OpenID provider); None: the name has no sign-in."""
    found = conn.execute(
        f"select {_PERSON}, i.password from sign_ins i left join users u on u.id = i.name where i.name = %s", (name,)
    ).fetchone()
    return (Person(*found[:-1]), found[-1]) if found else None


def set_password(conn: Connection[Any], name: str, password: str, *, must_change: bool = False) -> bool:
    """Replaces a password hash; False: no sign-in with a password has the name. `must_change`: the person has to choose
    another one after the next sign-in."""
    changed = conn.execute(
        "update sign_ins set password = %s, must_change = %s where name = %s and not provider returning name",
        (password, must_change, name),
    ).fetchone()
    return changed is not None


def prefer_list(
    conn: Connection[Any], name: str, rows: int | None, order: Order | None, status: ChosenStatus | None
) -> None:
    """Stores the preferred rows per page, order and status of the list; None: as before."""
    conn.execute(
        "update sign_ins set page_rows = coalesce(%s, page_rows), list_order = coalesce(%s, list_order), "
        "list_status = coalesce(%s, list_status) where name = %s",
        (rows, order, status, name),
    )


def prefer_moving_on(conn: Connection[Any], name: str, moves_on: bool) -> None:
    """Stores whether a transfer opens the next conversation."""
    conn.execute("update sign_ins set moves_on = %s where name = %s", (moves_on, name))


def prefer_words(conn: Connection[Any], name: str, language: str | None, time_zone: str | None) -> None:
    """Stores the preferred language and time zone; None: the browser's."""
    conn.execute("update sign_ins set language = %s, time_zone = %s where name = %s", (language, time_zone, name))


# sessions


def begin_session(
    conn: Connection[Any],
    token_hash: bytes,
    name: str,
    terms: SessionTerms,
    *,
    awaits_code: bool = False,
    id_token: str | None = None,
) -> None:
    """Begins a session. Deletes those that are over, and the person's oldest beyond `MAX_SESSIONS`. `awaits_code`: the
    second factor is missing; `id_token`: of the OpenID provider."""
    conn.execute(f"delete from console_sessions s where not ({IS_LIVE})", values_of(terms))
    conn.execute(
        "delete from console_sessions where token_hash in (select token_hash from console_sessions where name = %s "
        "order by seen_at desc offset %s)",
        (name, MAX_SESSIONS - 1),
    )
    conn.execute(
        "insert into console_sessions (token_hash, name, awaits_code, id_token) values (%s, %s, %s, %s)",
        (token_hash, name, awaits_code, id_token),
    )
    if not awaits_code:
        conn.execute("update sign_ins set signed_in_at = now() where name = %s", (name,))


def person_of(conn: Connection[Any], token_hash: bytes, terms: SessionTerms, *, uses: bool) -> Person | None:
    """The person of a live session; None: it is not live. `uses`: the person did something, not only their page, so the
    session is extended. That is stored at most once a minute."""
    cursor = conn.cursor(row_factory=class_row(Person))
    return cursor.execute(
        f"""
        with live as (
          select s.name, s.awaits_code from console_sessions s where s.token_hash = %(token)s and {IS_LIVE}
        ),
        used as (
          update console_sessions set seen_at = now()
          where %(uses)s and token_hash = %(token)s and seen_at < now() - interval '1 minute'
            and exists (select from live)
        )
        select {_PERSON}, s.awaits_code
        from live s join sign_ins i on i.name = s.name left join users u on u.id = i.name
        """,
        {"token": token_hash, "uses": uses, **values_of(terms)},
    ).fetchone()


def live_people(
    conn: Connection[Any], token_hashes: Collection[bytes], terms: SessionTerms, levels: Collection[Level]
) -> dict[bytes, LivePerson]:
    """The people of the live sessions among these who are still on one of these levels."""
    found = conn.execute(
        f"select s.token_hash, {LEVEL}, {SKILLSETS} from console_sessions s join sign_ins i on i.name = s.name "
        f"left join users u on u.id = i.name where s.token_hash = any(%(tokens)s) and {IS_LIVE} and not s.awaits_code "
        f"and not i.must_change and {LEVEL} = any(%(levels)s)",
        {"tokens": list(token_hashes), "levels": list(levels), **values_of(terms)},
    )
    return {token: LivePerson(level, tuple(skillsets)) for token, level, skillsets in found}


def end_session(conn: Connection[Any], token_hash: bytes) -> str | None:
    """Ends one session; returns the OpenID provider's token of it, if it has one."""
    found = conn.execute(
        "delete from console_sessions where token_hash = %s returning id_token", (token_hash,)
    ).fetchone()
    return found[0] if found is not None else None


def end_sessions(conn: Connection[Any], name: str | None = None, but: bytes = b"") -> int:
    """Ends all sessions of a person, or of all people, except the one with this hash; returns how many."""
    return conn.execute(
        "delete from console_sessions where (%(name)s::text is null or name = %(name)s) and token_hash <> %(but)s",
        {"name": name, "but": but},
    ).rowcount


# tries


def count_try(conn: Connection[Any], kind: Literal["a", "b", "n", "r", "c"], key: str) -> int:
    """Counts one more sign-in attempt and returns how many there were in the span. `kind`: from a network (`a`), from a
    network for a name (`b`, see `network_and_name`), for a name from anywhere (`n`); or one more refusal that was
    stored (`r`), or a code of a second factor for a name (`c`)."""
    row = conn.execute(
        """
        insert into sign_in_tries as t (kind, key, began_at, tries) values (%(kind)s, %(key)s, now(), 1)
        on conflict (kind, key) do update set
          tries = case when t.began_at < now() - %(span)s then 1 else t.tries + 1 end,
          began_at = case when t.began_at < now() - %(span)s then now() else t.began_at end
        returning tries
        """,
        {"kind": kind, "key": key, "span": TRIES_SPAN},
    ).fetchone()
    assert row is not None
    return int(row[0])


def network_and_name(network: str, name: str) -> str:
    """The key of attempts from a network for a name. A network contains no space."""
    return f"{network} {name}"


def forget_tries(conn: Connection[Any], name: str, networks: Sequence[str] = ()) -> None:
    """Deletes the counts of a person who proved, from these networks, that the name is theirs: those of the name,
    except from other networks, and one attempt of each network, which others may use too. No `networks`: all counts of
    the name."""
    conn.execute("update sign_in_tries set tries = tries - 1 where kind = 'a' and key = any(%s)", (list(networks),))
    conn.execute(
        "delete from sign_in_tries where (kind = 'n' and key = %(name)s) "
        "or (kind = 'c' and key = %(name)s and %(both)s::text[] = '{}') or (kind = 'b' and "
        "(key = any(%(both)s::text[]) or %(both)s::text[] = '{}' and substr(key, strpos(key, ' ') + 1) = %(name)s))",
        {"name": name, "both": [network_and_name(each, name) for each in networks]},
    )


def forget_codes(conn: Connection[Any], name: str) -> None:
    """Deletes the count of codes of a person who entered a right one."""
    conn.execute("delete from sign_in_tries where kind = 'c' and key = %s", (name,))


def forget_old_tries(conn: Connection[Any]) -> None:
    """Deletes some of the counts whose span is over, more than an attempt adds: the table holds one span of them."""
    conn.execute(
        "delete from sign_in_tries where (kind, key) in "
        "(select kind, key from sign_in_tries where began_at < now() - %s order by began_at limit %s)",
        (TRIES_SPAN, _FORGOTTEN_AT_ONCE),
    )
