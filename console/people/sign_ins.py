"""Sign-ins as administrators manage them: who can sign in, on which level, and what was done about it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast, get_args

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console.dependencies import Dependencies
from console.request import address, person
from console.table.query import cleaned
from domain.directory import Directory, Level
from infra.one_time_codes import one_time_password
from infra.postgres.console import audit, people, second_factors, sign_ins
from infra.postgres.console.audit import AuditEntry, AuditEvent
from infra.postgres.console.people import MOST_LISTED

LONGEST_NAME, _LONGEST_SHOWN_NAME = 256, 200
_OWN_LEVELS: tuple[Level, ...] = tuple(each for each in get_args(Level) if each != "agent")
"""Levels that a sign-in can have of its own. An agent is a user of the directory, or customers could not be given to
them."""


class _Given(NamedTuple):
    """The level of a form. `own`: None: the directory's; `skillsets`: None: likewise."""

    own: Level | None
    skillsets: Sequence[str] | None


def sign_in_pages(deps: Dependencies) -> Blueprint:
    """`/people`, `/people/new`, `/people/person` and what can be done there. For administrators."""
    pages = Blueprint("people", __name__, url_prefix="/people")

    @pages.get("")
    def show() -> ResponseReturnValue:
        words, after = cleaned(request.args.get("q")), cleaned(request.args.get("after"))
        with deps.connection() as conn:
            found = people.page(conn, deps.sessions, words, after, MOST_LISTED + 1)
        rows = found[:MOST_LISTED]
        following = rows[-1].name if len(found) > MOST_LISTED else None
        return render_template("people/list.html", rows=rows, q=words, next=following)

    @pages.get("/new")
    def offer() -> ResponseReturnValue:
        return _new(deps)

    @pages.post("/new")
    def create() -> ResponseReturnValue:
        name, shown = request.form.get("name", "").strip(), request.form.get("shown_name", "").strip()
        at_provider = "provider" in request.form and deps.provider is not None
        with deps.connection() as conn:
            directory = deps.directory(conn)
        if error := _wrong_with(name, shown, directory):
            return _new(deps, error, 422)
        given = _given(directory)
        if given is None:
            return _new(deps, "level", 422)
        password = None if at_provider else one_time_password()
        hashed = None if password is None else deps.passwords.hash(password)
        with deps.connection() as conn, conn.transaction():
            if not people.create(
                conn,
                name,
                hashed,
                level=given.own,
                skillsets=given.skillsets,
                shown_name=shown or None,
                must_change=password is not None,
            ):
                return _new(deps, "exists", 422)
            _note(conn, "sign_in_made", name, level=given.own, provider=at_provider)
        return _person(deps, name, password=password, done="made")

    @pages.get("/person")
    def one() -> ResponseReturnValue:
        return _person(deps, request.args.get("name", ""), done=request.args.get("done", ""))

    _add_actions(pages, deps)
    return pages


def _add_actions(pages: Blueprint, deps: Dependencies) -> None:
    """What can be done about one sign-in."""

    @pages.post("/person/disable")
    def disable() -> ResponseReturnValue:
        name = request.form.get("name", "")
        if name == person().name:
            return _person(deps, name, error="self", status=422)
        return _changed(deps, name, "sign_in_disabled", people.disable)

    @pages.post("/person/enable")
    def enable() -> ResponseReturnValue:
        def change(conn: Connection[Any], name: str) -> bool:
            people.enable(conn, name)
            return True

        return _changed(deps, request.form.get("name", ""), "sign_in_enabled", change)

    @pages.post("/person/level")
    def change_level() -> ResponseReturnValue:
        name = request.form.get("name", "")
        with deps.connection() as conn:
            given = _given(deps.directory(conn), name)
        if given is None:
            return _person(deps, name, error="level", status=422)

        def change(conn: Connection[Any], name: str) -> bool:
            return people.set_level(conn, name, given.own, given.skillsets)

        detail = {"level": given.own, "skillsets": given.skillsets}
        return _changed(deps, name, "level_changed", change, detail)

    @pages.post("/person/end-sessions")
    def end_sessions() -> ResponseReturnValue:
        def change(conn: Connection[Any], name: str) -> bool:
            sign_ins.end_sessions(conn, name)
            return True

        return _changed(deps, request.form.get("name", ""), "sessions_ended", change)

    @pages.post("/person/remove-second-factor")
    def remove_factor() -> ResponseReturnValue:
        def change(conn: Connection[Any], name: str) -> bool:
            second_factors.remove(conn, name)
            sign_ins.end_sessions(conn, name)
            return True

        return _changed(deps, request.form.get("name", ""), "factor_removed", change)

    @pages.post("/person/reset-password")
    def reset_password() -> ResponseReturnValue:
        name, password = request.form.get("name", ""), one_time_password()
        hashed = deps.passwords.hash(password)
        with deps.connection() as conn, conn.transaction():
            ended = people.reset_password(conn, name, hashed, must_change=True)
            if ended is None:
                abort(404)
            _note(conn, "password_reset", name, sessions=ended)
        return _person(deps, name, password=password, done="password_reset")


def _changed(
    deps: Dependencies,
    name: str,
    event: AuditEvent,
    change: Callable[[Connection[Any], str], bool],
    detail: Mapping[str, object] | None = None,
) -> ResponseReturnValue:
    """Changes a sign-in, notes it, and leads back to it."""
    with deps.connection() as conn, conn.transaction():
        if people.find(conn, name, deps.sessions) is None:
            abort(404)
        done = change(conn, name)
        if done:
            _note(conn, event, name, **(detail or {}))
    if not done:
        return _person(deps, name, error="last", status=422)
    return redirect(url_for("people.one", name=name, done=event), 303)


def _note(conn: Connection[Any], event: AuditEvent, name: str, **detail: object) -> None:
    audit.write(conn, [AuditEntry(event, person().name, address(), detail={"of": name, **detail})])


def _wrong_with(name: str, shown_name: str, directory: Directory) -> str | None:
    """What is wrong with the names of a new sign-in; None: nothing."""
    if not (name and name.isprintable() and len(name) <= LONGEST_NAME):
        return "name"
    if not shown_name.isprintable() or len(shown_name) > _LONGEST_SHOWN_NAME:
        return "shown_name"
    if not request.form.get("level") and name not in directory.users:
        return "not_in_directory"
    return None


def _given(directory: Directory, name: str | None = None) -> _Given | None:
    """The level of the form; None: it names none, or a supervisor of no skillset."""
    level = request.form.get("level", "")
    if not level:
        return None if name is not None and name not in directory.users else _Given(None, None)
    if level not in _OWN_LEVELS:
        return None
    chosen = [each for each in request.form.getlist("skillset") if each in directory.skillsets]
    if level == "supervisor":
        return _Given("supervisor", chosen) if chosen else None
    return _Given(cast(Level, level), None)


def _new(deps: Dependencies, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    with deps.connection() as conn:
        directory = deps.directory(conn)
    page = render_template(
        "people/new.html",
        error=error,
        typed=request.form,
        ticked=request.form.getlist("skillset"),
        levels=_OWN_LEVELS,
        directory=directory,
        has_provider=deps.provider is not None,
        longest=LONGEST_NAME,
    )
    return page, status


def _person(
    deps: Dependencies,
    name: str,
    *,
    password: str | None = None,
    done: str = "",
    error: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    """One sign-in and what can be done with it. `password`: a new one, which is shown only now."""
    with deps.connection() as conn:
        found = people.find(conn, name, deps.sessions)
        directory = deps.directory(conn)
    if found is None:
        abort(404)
    page = render_template(
        "people/person.html",
        of=found,
        password=password,
        done=done,
        error=error,
        levels=_OWN_LEVELS,
        directory=directory,
        in_directory=name in directory.users,
        is_self=name == person().name,
        how=found.signs_in_with,
    )
    return page, status
