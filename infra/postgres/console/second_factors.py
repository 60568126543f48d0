"""Second factors of sign-ins with a password: the secret that an authenticator app shares, and recovery codes.
Functions raise psycopg errors; those that change something belong in a transaction."""

from collections.abc import Collection
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row


class StoredFactor(NamedTuple):
    """A second factor. `is_confirmed`: a code of it was entered; `last_step`: of the latest code that was accepted."""

    secret: str
    is_confirmed: bool
    last_step: int


def read_locked(conn: Connection[Any], name: str) -> StoredFactor | None:
    """A person's second factor, confirmed or not, locked until the transaction ends, so that two requests with the same
    code are one after the other; None: there is none."""
    cursor = conn.cursor(row_factory=class_row(StoredFactor))
    return cursor.execute(
        "select secret, confirmed_at is not null as is_confirmed, last_step from second_factors where name = %s "
        "for update",
        (name,),
    ).fetchone()


def offer(conn: Connection[Any], name: str, secret: str) -> str:
    """Stores a secret that counts once a code of it was entered; returns it, or the one that was offered before and not
    confirmed yet: a person who reloads the page has scanned that. A confirmed one is not replaced."""
    found = conn.execute(
        "insert into second_factors (name, secret) values (%s, %s) on conflict (name) do update "
        "set made_at = now() where second_factors.confirmed_at is null returning secret",
        (name, secret),
    ).fetchone()
    return str(found[0]) if found is not None else ""


def confirm(conn: Connection[Any], name: str, step: int, hashes: Collection[bytes]) -> None:
    """Makes a second factor count, with these recovery codes in the place of earlier ones."""
    conn.execute(
        "update second_factors set confirmed_at = coalesce(confirmed_at, now()), last_step = %s where name = %s",
        (step, name),
    )
    conn.execute("delete from recovery_codes where name = %s", (name,))
    with conn.cursor() as cursor:
        cursor.executemany("insert into recovery_codes (name, hash) values (%s, %s)", [(name, h) for h in hashes])


def accept(conn: Connection[Any], name: str, step: int) -> None:
    """Notes that the code of this step was used."""
    conn.execute("update second_factors set last_step = %s where name = %s", (step, name))


def use_recovery_code(conn: Connection[Any], name: str, code_hash: bytes) -> int | None:
    """Uses a recovery code, which cannot be used again; returns how many are left. None: there is no such code."""
    used = conn.execute(
        "delete from recovery_codes where name = %s and hash = %s returning name", (name, code_hash)
    ).fetchone()
    return codes_left(conn, name) if used is not None else None


def codes_left(conn: Connection[Any], name: str) -> int:
    """How many recovery codes a person has left."""
    found = conn.execute("select count(*) from recovery_codes where name = %s", (name,)).fetchone()
    assert found is not None
    return int(found[0])


def remove(conn: Connection[Any], name: str) -> bool:
    """Removes a person's second factor and recovery codes; False: there was none."""
    conn.execute("delete from recovery_codes where name = %s", (name,))
    removed = conn.execute("delete from second_factors where name = %s returning name", (name,)).fetchone()
    return removed is not None
