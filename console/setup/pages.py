"""`/setup`: the steps of setting the installation up. The page looks again every few seconds by itself."""

from collections import Counter
from datetime import datetime

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from console.commands import new_form
from console.dependencies import Dependencies
from console.request import translated, words
from domain.contract.texts import gettext_noop
from domain.setup.judging import judge
from domain.setup.steps import SetupText, StepGroup, StepState
from infra.postgres.connections.hints import SYNC
from infra.postgres.setup.record import setup_record

GROUPS: dict[StepGroup, tuple[str, str]] = {
    "installation": (gettext_noop("This installation"), gettext_noop("Who administers it, and what it relies on.")),
    "receiving": (
        gettext_noop("Messages from WhatsApp"),
        gettext_noop("From Meta's App Dashboard to the first real message, in this order; see docs/whatsapp.md."),
    ),
    "more": (gettext_noop("What you can add"), gettext_noop("Nothing here is needed: an absent part is off.")),
}
STATES: dict[StepState, str] = {
    "done": gettext_noop("Done"),
    "waiting": gettext_noop("To do"),
    "off": gettext_noop("Off"),
    "trouble": gettext_noop("Trouble"),
}
PLACES = {
    "numbers": ("sending.show_numbers", gettext_noop("Numbers")),
    "directory": ("directory.home", gettext_noop("Directory")),
    "people": ("people.show", gettext_noop("People who can sign in")),
}


def setup_pages(deps: Dependencies) -> Blueprint:
    """`/setup`, `/setup/ask`."""
    pages = Blueprint("setup", __name__)

    @pages.get("/setup")
    def show() -> ResponseReturnValue:
        with deps.connection() as conn:
            record = setup_record(conn)
        steps = judge(record, deps.set_up, deps.servers.latest())
        return render_template(
            "setup/page.html",
            groups=[(key, *GROUPS[key], [step for step in steps if step.group == key]) for key in GROUPS],
            counts=Counter(step.state for step in steps),
            states=STATES,
            places=PLACES,
            say=_said,
            asks=bool(record.accounts),
            form=new_form(),
        )

    @pages.post("/setup/ask")
    def ask() -> ResponseReturnValue:
        """Makes the sender, which has the access token, ask Meta about accounts, numbers and templates."""
        with deps.connection() as conn:
            conn.execute(f"notify {SYNC}")
        return redirect(url_for("setup.show", _anchor="receiving"), 303)

    return pages


def _said(text: SetupText) -> str:
    return text.said(translated, _shown)


def _shown(value: object) -> object:
    if isinstance(value, datetime):
        return words().day_and_clock(value)
    if isinstance(value, SetupText):
        return _said(value)
    return words().number(value) if isinstance(value, int) else value
