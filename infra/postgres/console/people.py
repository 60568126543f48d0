"""Sign-ins as administrators manage them, in the console and on the command line: who may sign in, on which level and
how. Functions raise psycopg errors; those that change something belong in a transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from domain.directory import Level
from infra.postgres.console import sign_ins
from infra.postgres.console.sign_ins import IS_LIVE, LEVEL, NAMED, SKILLSETS, SessionTerms, values_of

MOST_LISTED = 200
"""More sign-ins than this are shown on further pages."""
_LOCK = 0x7065_6F70
"""Key of the advisory lock under which administrators lose their level: the bytes of "peop"."""


@dataclass(frozen=True, slots=True)
class ListedSignIn:
    """A sign-in as lists show it. `level` None: they cannot do anything; `own_level`: given to the sign-in itself,
    None: the directory's counts; `skillsets`: of a supervisor; `sessions`, `seen_at`: of their live sessions;
    `signed_in_at`: the latest sign-in; `provider`: they sign in at the OpenID provider; `has_factor`: they have set
    up a second factor."""

    name: str
    shown_name: str
    level: Level | None
    own_level: Level | None
    skillsets: Sequence[str]
    made_at: datetime
    disabled_at: datetime | None
    must_change: bool
    provider: bool
    has_factor: bool
    signed_in_at: datetime | None
    sessions: int
    seen_at: datetime | None

    @property
    def signs_in_with(self) -> Literal["provider", "password_and_code", "password"]:
        """How they sign in."""
        if self.provider:
            return "provider"
        return "password_and_code" if self.has_factor else "password"


def create(
    conn: Connection[Any],
    name: str,
    password: str | None,
    *,
    level: Level | None = None,
    skillsets: Sequence[str] | None = None,
    shown_name: str | None = None,
    must_change: bool = False,
) -> bool:
    """Creates a sign-in with this password hash; None: for the OpenID provider. False: the name has one already.
    `level`, `skillsets` None: those of the directory."""
    made = conn.execute(
        "insert into sign_ins (name, password, provider, level, skillsets, shown_name, must_change) "
        "values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing returning name",
        (name, password, password is None, level, _array(skillsets), shown_name, must_change),
    ).fetchone()
    return made is not None


def everybody(conn: Connection[Any], terms: SessionTerms) -> list[ListedSignIn]:
    """All sign-ins, by name."""
    return _listed(conn, "", {}, terms)


def page(
    conn: Connection[Any], terms: SessionTerms, words: str = "", after: str = "", rows: int = MOST_LISTED
) -> list[ListedSignIn]:
    """Sign-ins by name, behind `after`: those whose name or shown name contains these words."""
    condition: LiteralString = (
        "where i.name > %(after)s and (%(words)s = '' or strpos(lower(i.name), lower(%(words)s)) > 0 "
        "or strpos(lower(coalesce(u.name, i.shown_name, '')), lower(%(words)s)) > 0)"
    )
    return _listed(conn, condition, {"words": words, "after": after, "rows": rows}, terms, "limit %(rows)s")


def find(conn: Connection[Any], name: str, terms: SessionTerms) -> ListedSignIn | None:
    """The sign-in of this name; None: there is none."""
    found = _listed(conn, "where i.name = %(name)s", {"name": name}, terms)
    return found[0] if found else None


def of_subject(conn: Connection[Any], subject: str, terms: SessionTerms) -> ListedSignIn | None:
    """The sign-in of a person at the OpenID provider; None: they never came from there."""
    found = _listed(conn, "where i.subject = %(subject)s", {"subject": subject}, terms)
    return found[0] if found else None


def has_subject(conn: Connection[Any], name: str) -> bool:
    """Whether a sign-in belongs to a person at the OpenID provider already."""
    found = conn.execute("select subject is not null from sign_ins where name = %s", (name,)).fetchone()
    return found is not None and bool(found[0])


def connect_subject(conn: Connection[Any], name: str, subject: str, shown_name: str | None) -> bool:
    """Notes to whom at the OpenID provider a sign-in belongs, and what they are called there. False: it belongs to
    somebody else, perhaps since a moment ago."""
    values = {"subject": subject, "shown_name": shown_name, "name": name}
    connected = conn.execute(
        "update sign_ins set subject = %(subject)s, shown_name = coalesce(%(shown_name)s, shown_name) "
        "where name = %(name)s and provider and coalesce(subject, %(subject)s) = %(subject)s",
        values,
    )
    return connected.rowcount == 1


def _listed(
    conn: Connection[Any],
    condition: LiteralString,
    values: dict[str, Any],
    terms: SessionTerms,
    limit: LiteralString = "",
) -> list[ListedSignIn]:
    cursor = conn.cursor(row_factory=class_row(ListedSignIn))
    return cursor.execute(
        f"select {NAMED}, i.level as own_level, {SKILLSETS} as skillsets, i.made_at, i.disabled_at, i.must_change, "
        "i.provider, exists (select from second_factors f where f.name = i.name and f.confirmed_at is not null) "
        "as has_factor, i.signed_in_at, count(s.name) as sessions, max(s.seen_at) as seen_at "
        "from sign_ins i left join users u on u.id = i.name "
        f"left join console_sessions s on s.name = i.name and not s.awaits_code and {IS_LIVE} "
        f"{condition} group by i.name, u.id order by i.name {limit}",
        {**values, **values_of(terms)},
    ).fetchall()


def reset_password(conn: Connection[Any], name: str, password: str, *, must_change: bool) -> int | None:
    """Gives a sign-in this password hash, ends its sessions and lifts a lock after too many attempts. Returns how many
    sessions were ended; None: no sign-in with a password has the name."""
    if not sign_ins.set_password(conn, name, password, must_change=must_change):
        return None
    sign_ins.forget_tries(conn, name)
    return sign_ins.end_sessions(conn, name)


def set_level(conn: Connection[Any], name: str, level: Level | None, skillsets: Sequence[str] | None = None) -> bool:
    """Gives a sign-in a level of its own; None: the directory's. False: nobody else would be an administrator."""
    if level != "tenant_administrator" and not _leaves_an_administrator(conn, name):
        return False
    assign_level(conn, name, level, skillsets)
    return True


def assign_level(conn: Connection[Any], name: str, level: Level | None, skillsets: Sequence[str] | None = None) -> None:
    """As `set_level`, also if nobody else is an administrator: the OpenID provider decides that."""
    values = (level, _array(skillsets), name)
    conn.execute("update sign_ins set level = %s, skillsets = %s where name = %s", values)


def disable(conn: Connection[Any], name: str) -> bool:
    """Shuts a sign-in out and ends its sessions. False: nobody else would be an administrator."""
    if not _leaves_an_administrator(conn, name):
        return False
    conn.execute("update sign_ins set disabled_at = coalesce(disabled_at, now()) where name = %s", (name,))
    sign_ins.end_sessions(conn, name)
    return True


def enable(conn: Connection[Any], name: str) -> None:
    """Lets a sign-in that was disabled in again."""
    conn.execute("update sign_ins set disabled_at = null where name = %s", (name,))


def _leaves_an_administrator(conn: Connection[Any], name: str) -> bool:
    """Whether somebody else is an administrator, or this person is none. Two administrators who shut each other out at
    the same time wait for each other here."""
    conn.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
    found = conn.execute(
        f"select coalesce(bool_or(i.name = %(name)s), false), coalesce(bool_or(i.name <> %(name)s), false) "
        f"from sign_ins i left join users u on u.id = i.name where {LEVEL} = 'tenant_administrator'",
        {"name": name},
    ).fetchone()
    assert found is not None
    is_one, are_others = found
    return are_others or not is_one


def _array(skillsets: Sequence[str] | None) -> list[str] | None:
    return None if skillsets is None else list(skillsets)
