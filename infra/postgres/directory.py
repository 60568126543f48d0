"""The directory in the database. It is read and replaced as a whole; its version counts the changes. Raises psycopg
errors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import time
from typing import Any

from psycopg import Connection
from psycopg.types.json import Json

from domain.directory import Directory, Number, Opening, Skillset, User, Weekday
from domain.directory_file.rule_tables import rules_document, rules_of
from domain.directory_file.toml_text import directory_text
from domain.retention.periods import Retention
from domain.rules.rule import Rule
from infra.postgres import directory_versions
from infra.postgres.directory_versions import DirectoryChange, VersionOrigin

_LOCK = 0x646972
"""Key of the advisory lock. (With a row lock, readers whose shared locks overlap could keep a change waiting for
ever.)"""


UNNAMED = VersionOrigin("")
"""The origin of a version whose author nobody named."""


@dataclass(frozen=True, slots=True)
class DirectoryChanges:
    """The result of `apply`: the directory's version now, and the changes that were made (empty: there was no
    difference)."""

    version: int
    made: tuple[DirectoryChange, ...]


class DirectoryCache:
    """A copy of the directory in memory, which is read again when the version has changed. `complete`: adds what a
    process needs besides."""

    def __init__(self, complete: Callable[[Connection[Any], Directory], Directory] = lambda _, found: found) -> None:
        self._complete = complete
        self._version = -1
        self._directory = Directory()

    def read(self, conn: Connection[Any], known: int | None = None) -> Directory:
        """Returns the current directory. `known`: its current version, if the caller has read it already."""
        if (version(conn) if known is None else known) != self._version:
            now, found = read(conn)
            self._version, self._directory = now, self._complete(conn, found)
        return self._directory

    def lock_shared(self, conn: Connection[Any]) -> Directory:
        """Returns the directory and locks it against changes until the transaction ends. Writers that assign
        conversations to users or skillsets take this lock, before those of the customers (architecture.md, P5). Any
        number of transactions may hold it; a change waits for them, and later ones wait for the change."""
        conn.execute("select pg_advisory_xact_lock_shared(%s)", (_LOCK,))
        return self.read(conn)


def lock_exclusive(conn: Connection[Any]) -> None:
    """Locks the directory until the transaction ends; waits for other holders of either lock."""
    conn.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))


def apply(conn: Connection[Any], directory: Directory, origin: VersionOrigin = UNNAMED) -> DirectoryChanges:
    """Replaces the directory as a whole, in one transaction, and keeps what it is then as a version, if anything
    changed. Concurrent calls run one after the other."""
    with conn.transaction():
        lock_exclusive(conn)
        before, current = read(conn)
        made = (
            *_apply_skillsets(conn, current.skillsets, directory.skillsets),
            *_apply_users(conn, current.users, directory.users),
            *_apply_numbers(conn, current.numbers, directory.numbers),
            *_apply_rules(conn, current.rules, directory.rules),
        )
        if made:
            if not directory_versions.is_kept(conn, before):  # of an installation that is older than versions
                directory_versions.keep(conn, before, directory_text(current), None)
            conn.execute("update directory_version set version = version + 1")
            after, changed = read(conn)
            directory_versions.keep(conn, after, directory_text(changed), origin, made)
        return DirectoryChanges(before + bool(made), made)


def read(conn: Connection[Any]) -> tuple[int, Directory]:
    """Returns the version and the whole directory in one consistent read, in the order of the ids."""
    found = conn.execute(
        """
        select version, rules,
          (select coalesce(json_agg(n order by phone_number_id), '[]') from
            (select phone_number_id, name, time_zone, softbot, hours, menu, language, synonyms, texts,
              stop_words, start_words, retention from numbers) n),
          (select coalesce(json_agg(s order by id), '[]') from skillsets s),
          (select coalesce(json_agg(u order by id), '[]') from users u)
        from directory_version
        """
    ).fetchone()
    assert found is not None  # the first migration inserts the row
    rules, number_rows, skillset_rows, user_rows = found[1:]
    numbers = (
        Number(
            **row
            | {"hours": _hours(row["hours"]), "synonyms": _synonyms(row["synonyms"])}
            | {key: tuple(row[key]) for key in ("stop_words", "start_words")}
            | {"retention": Retention(**row["retention"])}
        )
        for row in number_rows
    )
    skillsets = (Skillset(**row | {"words": tuple(row["words"])}) for row in skillset_rows)
    users = (User(**row | {"skillsets": tuple(row["skillsets"])}) for row in user_rows)
    return found[0], Directory(
        {number.phone_number_id: number for number in numbers},
        {skillset.id: skillset for skillset in skillsets},
        {user.id: user for user in users},
        rules_of(rules),
    )


def version(conn: Connection[Any]) -> int:
    """Returns the directory's version, which is cheaper to read than the directory."""
    found = conn.execute("select version from directory_version").fetchone()
    assert found is not None
    return int(found[0])


def text_of(conn: Connection[Any], wanted: int) -> str | None:
    """Returns a version of the directory as text; None: it was not kept."""
    current, directory = read(conn)
    return directory_text(directory) if wanted == current else directory_versions.texts(conn, [wanted]).get(wanted)


def _apply_skillsets(
    conn: Connection[Any], old: Mapping[str, Skillset], new: Mapping[str, Skillset]
) -> list[DirectoryChange]:
    changes = _compare("skillset", old, new)
    conn.execute("delete from skillsets where id = any(%s)", (_removed(changes),))
    for skillset in (new[id_] for id_ in _remaining(changes)):
        conn.execute(
            """
            insert into skillsets (id, name, words) values (%s, %s, %s)
            on conflict (id) do update set name = excluded.name, words = excluded.words
            """,
            (skillset.id, skillset.name, list(skillset.words)),
        )
    return changes


def _apply_users(conn: Connection[Any], old: Mapping[str, User], new: Mapping[str, User]) -> list[DirectoryChange]:
    changes = _compare("user", old, new)
    conn.execute("delete from users where id = any(%s)", (_removed(changes),))
    for user in (new[id_] for id_ in _remaining(changes)):
        conn.execute(
            """
            insert into users (id, name, email, level, max_conversations, skillsets) values (%s, %s, %s, %s, %s, %s)
            on conflict (id) do update set name = excluded.name, email = excluded.email, level = excluded.level,
              max_conversations = excluded.max_conversations, skillsets = excluded.skillsets
            """,
            (user.id, user.name, user.email, user.level, user.max_conversations, list(user.skillsets)),
        )
    return changes


def _apply_numbers(
    conn: Connection[Any], old: Mapping[str, Number], new: Mapping[str, Number]
) -> list[DirectoryChange]:
    changes = _compare("number", old, new)
    conn.execute("delete from numbers where phone_number_id = any(%s)", (_removed(changes),))
    for number in (new[id_] for id_ in _remaining(changes)):
        conn.execute(
            """
            insert into numbers (phone_number_id, name, time_zone, softbot, hours, menu, language, synonyms, texts,
              stop_words, start_words, retention)
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            on conflict (phone_number_id) do update set name = excluded.name, time_zone = excluded.time_zone,
              softbot = excluded.softbot, hours = excluded.hours, menu = excluded.menu, language = excluded.language,
              synonyms = excluded.synonyms, texts = excluded.texts,
              stop_words = excluded.stop_words, start_words = excluded.start_words,
              retention = excluded.retention
            """,
            (
                number.phone_number_id,
                number.name,
                number.time_zone,
                number.softbot,
                _hours_json(number),
                Json(number.menu),
                number.language,
                Json(number.synonyms),
                Json(number.texts),
                list(number.stop_words),
                list(number.start_words),
                Json({kind: days for kind, days in asdict(number.retention).items() if days is not None}),
            ),
        )
    return changes


def _apply_rules(conn: Connection[Any], old: Sequence[Rule], new: Sequence[Rule]) -> list[DirectoryChange]:
    changes = _compare("rule", {rule.id: rule for rule in old}, {rule.id: rule for rule in new})
    if not changes and old != new:
        changes = [DirectoryChange("reordered", "rule", "")]
    if changes:
        conn.execute("update directory_version set rules = %s", (Json(rules_document(new)),))
    return changes


def _compare(kind: str, old: Mapping[str, object], new: Mapping[str, object]) -> list[DirectoryChange]:
    """Returns the differences in the order of the ids, which is the order in which writers lock rows."""
    changes = []
    for id_ in sorted(old.keys() | new.keys()):
        if id_ not in new:
            changes.append(DirectoryChange("removed", kind, id_))
        elif id_ not in old:
            changes.append(DirectoryChange("added", kind, id_))
        elif old[id_] != new[id_]:
            changes.append(DirectoryChange("changed", kind, id_))
    return changes


def _removed(changes: list[DirectoryChange]) -> list[str]:
    return [change.id for change in changes if change.action == "removed"]


def _remaining(changes: list[DirectoryChange]) -> list[str]:
    return [change.id for change in changes if change.action != "removed"]


def _hours_json(number: Number) -> Json | None:
    """Returns JSON such as `{"mon": [["09:00", "13:00"], ...]}`; the end of a day is 24:00."""
    if number.hours is None:
        return None
    return Json({day: [[_clock(o.start), _clock(o.end)] for o in openings] for day, openings in number.hours.items()})


def _hours(stored: dict[Weekday, list[tuple[str, str]]] | None) -> dict[Weekday, tuple[Opening, ...]] | None:
    if stored is None:
        return None
    return {day: tuple(Opening(_time(start), _time(end)) for start, end in stored[day]) for day in stored}


def _synonyms(stored: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {choice: tuple(words) for choice, words in stored.items()}


def _clock(at: time) -> str:
    return "24:00" if at == time.max else at.isoformat("minutes")


def _time(clock: str) -> time:
    return time.max if clock == "24:00" else time.fromisoformat(clock)
