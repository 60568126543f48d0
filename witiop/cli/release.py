"""`witiop release` and `witiop dismiss`: gives a conversation back, hands it over, parks it or takes it over; takes one
from the list because nobody needs to answer (interface.md)."""

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import click

from witiop.cli.commands import carry_out, command_options, expected_version_option

if TYPE_CHECKING:  # the driver is slow to import: `--help` does without
    from witiop.installation import Installation

_DURATION = re.compile(r"([1-9]\d{0,4})([mh])")


class MomentType(click.ParamType[datetime | timedelta]):
    """Parameter type for a moment: a time with its zone, or a duration from now on."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime | timedelta:
        text = str(value)
        if match := _DURATION.fullmatch(text):
            unit = timedelta(minutes=1) if match[2] == "m" else timedelta(hours=1)
            return int(match[1]) * unit
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fail(
                "write a duration like 90m or 2h, or a time with its zone like 2026-12-01T15:00+01:00", param, ctx
            )
        return moment


@click.command()
@click.argument("conversation_id", metavar="ID", type=click.UUID)
@click.option("--to-user", metavar="U", help="Hand it over to this user.")
@click.option("--to-skillset", metavar="S", help="Hand it over to the members of this skillset.")
@click.option(
    "--mode",
    type=click.Choice(["immediate", "exclusive"]),
    help="As for a transfer (default: exclusive). immediate to yourself takes it over.",
)
@click.option(
    "--park",
    "park_until",
    type=MomentType(),
    metavar="T",
    help="Park it until then, e.g. 2h or 2026-12-01T15:00+01:00; it returns to its owner, or to the user or skillset.",
)
@click.option("--note", metavar="N", help="Note for those who take it next.")
@expected_version_option
@command_options
@click.pass_obj
def release(
    installation: "Installation",
    conversation_id: UUID,
    to_user: str | None,
    to_skillset: str | None,
    mode: str | None,
    park_until: datetime | timedelta | None,
    note: str | None,
    expected_version: int | None,
    issuer: str,
    wait: float,
    as_json: bool,
) -> None:
    """Give a conversation back, hand it over, park it or take it over.

    ID is the id of the conversation. Its owner can do this, or an administrator (--as), also when somebody has written
    to the customer. Without a user, skillset or time it goes back to the list.
    """
    from domain.commands import Release

    if to_user and to_skillset:
        raise click.UsageError("use either --to-user or --to-skillset")
    target = {"kind": "user", "id": to_user} if to_user else {"kind": "skillset", "id": to_skillset}
    body = {
        "conversation_id": conversation_id,
        "expected_version": expected_version,
        "target": target if to_user or to_skillset else None,
        "mode": mode,
        "park_until": installation.now() + park_until if isinstance(park_until, timedelta) else park_until,
        "note": note,
    }
    carry_out(installation, Release, body, issuer=issuer, wait=wait, as_json=as_json)


@click.command()
@click.argument("conversation_id", metavar="ID", type=click.UUID)
@click.option(
    "--why",
    type=click.Choice(["no_answer_needed", "spam", "duplicate"]),
    default="no_answer_needed",
    show_default=True,
    help="Why nobody needs to answer.",
)
@click.option("--note", metavar="N", help="Note for those who look at it later.")
@expected_version_option
@command_options
@click.pass_obj
def dismiss(
    installation: "Installation",
    conversation_id: UUID,
    why: str,
    note: str | None,
    expected_version: int | None,
    issuer: str,
    wait: float,
    as_json: bool,
) -> None:
    """Take a conversation from the list, because nobody needs to answer.

    ID is the id of an unmanaged conversation, active or closed. It comes back when the customer writes again, or with
    `witiop recall`.
    """
    from domain.commands import Dismiss

    body = {"conversation_id": conversation_id, "why": why, "note": note, "expected_version": expected_version}
    carry_out(installation, Dismiss, body, issuer=issuer, wait=wait, as_json=as_json)
