"""`/account/alarms`: what a person wants to be told about customers who run out of time."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.dependencies import Dependencies
from console.request import person, supervision
from infra.postgres.alarms.personal import PersonalAlarm, personal_alarm, write_personal_alarm

MINUTES = (15, 30, 60, 120, 240, 480)
_MOST_CHOSEN = 500


def personal_pages(deps: Dependencies) -> Blueprint:
    """`/account/alarms`, for everybody who sees the list or their part of it."""
    pages = Blueprint("personal_alarms", __name__)

    @pages.get("/account/alarms")
    @gate.open_to("lists")
    def show() -> ResponseReturnValue:
        with deps.connection() as conn:
            directory = deps.directory(conn)
            wanted = personal_alarm(conn, person().name)
        user, within = directory.users.get(person().name), supervision()
        return render_template(
            "alarms/personal.html",
            wanted=wanted or PersonalAlarm(60),
            is_on=wanted is not None,
            minutes=MINUTES,
            numbers=[each for each in directory.numbers.items() if within is None or each[0] in within.numbers],
            skillsets=[each for each in directory.skillsets.items() if within is None or each[0] in within.skillsets],
            email=user.email if user is not None and deps.mailing is not None else "",
            saved="saved" in request.args,
        )

    @pages.post("/account/alarms")
    @gate.open_to("lists")
    def change() -> ResponseReturnValue:
        form = request.form
        typed = form.get("minutes", "60")
        wanted = PersonalAlarm(
            minutes=int(typed) if typed in map(str, MINUTES) else 60,
            phone_number_ids=form.getlist("number")[:_MOST_CHOSEN],
            skillsets=form.getlist("skillset")[:_MOST_CHOSEN],
            sound="sound" in form,
            desktop="desktop" in form,
            mail="mail" in form,
        )
        with deps.connection() as conn:
            write_personal_alarm(conn, person().name, None if "off" in form else wanted)
        deps.health.forget()
        return redirect(url_for("personal_alarms.show", saved=1), 303)

    return pages
