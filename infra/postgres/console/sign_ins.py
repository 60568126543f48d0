"""Sign-ins of the console, their sessions, and the counts of attempts. Functions raise psycopg errors."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from domain.directory import Level
from infra.postgres.lists.unmanaged import Order

TRIES_SPAN = timedelta(minutes=15)
"""Attempts are counted within spans of this length."""
MAX_SESSIONS = 20
"""Sessions of one person at a time."""
_ADMINISTRATORS: tuple[Level, ...] = ("tenant_administrator",)
_FORGOTTEN_AT_ONCE = 20
"""Counts that one attempt deletes at most; it adds five."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person who has a sign-in. `level` None: the directory does not have them (any more). `answers`: they may have
    conversations, so they can take one. `language`, `time_zone` None: the browser's. `as_of`: the database snapshot in
    which they were read; `directory`: the directory's version in it; `now`: when, by the database's clock."""

    name: str
    shown_name: str
    level: Level | None
    answers: bool
    page_rows: int
    list_order: Order
    language: str | None
    time_zone: str | None
    as_of: str
    directory: int
    now: datetime


@dataclass(frozen=True, slots=True)
class ListedSignIn:
    """A person as `witiop users list` shows them. `sessions`, `seen_at`: of their live sessions."""

    name: str
    shown_name: str
    level: Level | None
    made_at: datetime
    sessions: int
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """When a session ends: `idle` after its last use, `longest` after its beginning. Sessions that began before `since`
    are over (None: there is no such limit)."""

    idle: timedelta = timedelta(hours=1)
    longest: timedelta = timedelta(hours=12)
    since: datetime | None = None


_NAMED = """
  i.name, coalesce(u.name, i.shown_name, i.name) as shown_name,
  case when i.administrator then 'tenant_administrator' else u.level end as level
"""
_PERSON: LiteralString = f"""
  {_NAMED}, coalesce(u.max_conversations > 0, false) as answers, i.page_rows, i.list_order, i.language, i.time_zone,
  pg_current_snapshot()::text as as_of, (select version from directory_version) as directory,
  clock_timestamp() as now
"""

_IS_LIVE = """
  s.began_at > now() - %(longest)s and s.seen_at > now() - %(idle)s
  and (%(since)s::timestamptz is null or s.began_at >= %(since)s)
"""


def _values(terms: SessionTerms) -> dict[str, Any]:
    return {"idle": terms.idle, "longest": terms.longest, "since": terms.since}


# people


def create(conn: Connection[Any], name: str, password: str, *, administrator: bool, shown_name: str | None) -> bool:
    """Creates a sign-in with this password hash; False: the name has one already."""
    made = conn.execute(
        "insert into sign_ins (name, administrator, shown_name, password) values (%s, %s, %s, %s) "
        "on conflict do nothing returning name",
        (name, administrator, shown_name, password),
    ).fetchone()
    return made is not None


def password_of(conn: Connection[Any], name: str) -> tuple[Person, str] | None:
    """A person and their password hash; None: the name has no sign-in."""
    found = conn.execute(
        f"select {_PERSON}, i.password from sign_ins i left join users u on u.id = i.name where i.name = %s", (name,)
    ).fetchone()
    return (Person(*found[:-1]), found[-1]) if found else None


def set_password(conn: Connection[Any], name: str, password: str) -> bool:
    """Replaces a password hash; False: the name has no sign-in."""
    changed = conn.execute(
        "update sign_ins set password = %s where name = %s returning name", (password, name)
    ).fetchone()
    return changed is not None


def prefer_list(conn: Connection[Any], name: str, rows: int | None, order: Order | None) -> None:
    """Stores the preferred number of rows per page and the preferred order of the list; None: as before."""
    conn.execute(
        "update sign_ins set page_rows = coalesce(%s, page_rows), list_order = coalesce(%s, list_order) "
        "where name = %s",
        (rows, order, name),
    )


def prefer_words(conn: Connection[Any], name: str, language: str | None, time_zone: str | None) -> None:
    """Stores the preferred language and time zone; None: the browser's."""
    conn.execute("update sign_ins set language = %s, time_zone = %s where name = %s", (language, time_zone, name))


def everybody(conn: Connection[Any], terms: SessionTerms) -> list[ListedSignIn]:
    """All sign-ins, by name."""
    cursor = conn.cursor(row_factory=class_row(ListedSignIn))
    return cursor.execute(
        f"select {_NAMED}, i.made_at, "
        "count(s.name) as sessions, max(s.seen_at) as seen_at "
        "from sign_ins i left join users u on u.id = i.name "
        f"left join console_sessions s on s.name = i.name and {_IS_LIVE} "
        "group by i.name, u.id order by i.name",
        _values(terms),
    ).fetchall()


# sessions


def begin_session(conn: Connection[Any], token_hash: bytes, name: str, terms: SessionTerms) -> None:
    """Begins a session. Deletes those that are over, and the person's oldest beyond `MAX_SESSIONS`."""
    conn.execute(f"delete from console_sessions s where not ({_IS_LIVE})", _values(terms))
    conn.execute(
        "delete from console_sessions where token_hash in (select token_hash from console_sessions where name = %s "
        "order by seen_at desc offset %s)",
        (name, MAX_SESSIONS - 1),
    )
    conn.execute("insert into console_sessions (token_hash, name) values (%s, %s)", (token_hash, name))


def person_of(conn: Connection[Any], token_hash: bytes, terms: SessionTerms, *, uses: bool) -> Person | None:
    """The person of a live session; None: it is not live. `uses`: the person did something, not only their page, so the
    session is extended. That is stored at most once a minute."""
    cursor = conn.cursor(row_factory=class_row(Person))
    return cursor.execute(
        f"""
        with live as (select s.name from console_sessions s where s.token_hash = %(token)s and {_IS_LIVE}),
        used as (
          update console_sessions set seen_at = now()
          where %(uses)s and token_hash = %(token)s and seen_at < now() - interval '1 minute'
            and exists (select from live)
        )
        select {_PERSON} from live s join sign_ins i on i.name = s.name left join users u on u.id = i.name
        """,
        {"token": token_hash, "uses": uses, **_values(terms)},
    ).fetchone()


def live_sessions(
    conn: Connection[Any],
    token_hashes: Collection[bytes],
    terms: SessionTerms,
    levels: Collection[Level] = _ADMINISTRATORS,
) -> set[bytes]:
    """The live sessions among these whose people are still on one of these levels."""
    found = conn.execute(
        f"select s.token_hash from console_sessions s join sign_ins i on i.name = s.name "
        f"left join users u on u.id = i.name where s.token_hash = any(%(tokens)s) and {_IS_LIVE} "
        "and case when i.administrator then 'tenant_administrator' else u.level end = any(%(levels)s)",
        {"tokens": list(token_hashes), "levels": list(levels), **_values(terms)},
    )
    return {token for (token,) in found}


def end_session(conn: Connection[Any], token_hash: bytes) -> None:
    """Ends one session."""
    conn.execute("delete from console_sessions where token_hash = %s", (token_hash,))


def end_sessions(conn: Connection[Any], name: str | None = None, but: bytes = b"") -> int:
    """Ends all sessions of a person, or of all people, except the one with this hash; returns how many."""
    return conn.execute(
        "delete from console_sessions where (%(name)s::text is null or name = %(name)s) and token_hash <> %(but)s",
        {"name": name, "but": but},
    ).rowcount


# tries


def count_try(conn: Connection[Any], kind: Literal["a", "b", "n", "r"], key: str) -> int:
    """Counts one more sign-in attempt and returns how many there were in the span. `kind`: from a network (`a`), from a
    network for a name (`b`, see `network_and_name`), for a name from anywhere (`n`); or one more refusal that was
    stored (`r`)."""
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
        "delete from sign_in_tries where (kind = 'n' and key = %(name)s) or (kind = 'b' and "
        "(key = any(%(both)s::text[]) or %(both)s::text[] = '{}' and substr(key, strpos(key, ' ') + 1) = %(name)s))",
        {"name": name, "both": [network_and_name(each, name) for each in networks]},
    )


def forget_old_tries(conn: Connection[Any]) -> None:
    """Deletes some of the counts whose span is over, more than an attempt adds: the table holds one span of them."""
    conn.execute(
        "delete from sign_in_tries where (kind, key) in "
        "(select kind, key from sign_in_tries where began_at < now() - %s order by began_at limit %s)",
        (TRIES_SPAN, _FORGOTTEN_AT_ONCE),
    )
