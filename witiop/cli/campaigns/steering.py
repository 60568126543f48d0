"""Commands about a campaign that exists: `start`, `pause`, `resume`, `cancel`, `test`, `resolve` and `answers`."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import click

from witiop.cli.commands import carry_out, command_options
from witiop.cli.reading import PhoneType

if TYPE_CHECKING:  # the driver is slow to import: `--help` does without
    from witiop.installation import Installation

_MODES = click.Choice(["immediate", "exclusive"])


class StartTimeType(click.ParamType[datetime]):
    """Parameter type for a date and a time of day, with or without an offset from UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(str(value))
        except ValueError:
            self.fail("not a time: write e.g. 2026-12-01T10:00, or 2026-12-01T10:00+01:00", param, ctx)


class ZoneType(click.ParamType[ZoneInfo]):
    """Parameter type for a time zone of IANA."""

    name = "zone"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ZoneInfo:
        if isinstance(value, ZoneInfo):
            return value
        try:
            return ZoneInfo(str(value))
        except (KeyError, ValueError, OSError):
            self.fail("not a time zone: write e.g. Europe/Rome", param, ctx)


class TargetType(click.ParamType[dict[str, str]]):
    """Parameter type for a user or a skillset: `user:anna`, `skillset:sales`."""

    name = "target"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        kind, _, id_ = str(value).partition(":")
        if kind not in ("user", "skillset") or not id_:
            self.fail("write user:ID or skillset:ID", param, ctx)
        return {"kind": kind, "id": id_}


def campaign_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds what every command about a campaign accepts: its id, its version, and the options of all commands."""
    for add in (
        command_options,
        click.option(
            "--expected-version",
            type=click.IntRange(0),
            metavar="V",
            help="Reject the command if the campaign is no longer at this version.",
        ),
        click.argument("campaign_id", metavar="ID", type=click.UUID),
    ):
        command = add(command)
    return command


def instant(at: datetime, zone: ZoneInfo | None) -> datetime:
    """Returns a time of `--at`, as `--zone` says if it has no offset. Raises UsageError."""
    if at.tzinfo is not None:
        if zone is not None:
            raise click.UsageError("--zone: the time has an offset from UTC already")
        return at
    if zone is None:
        raise click.UsageError("--at: say in which time zone, with --zone Europe/Rome or an offset like +01:00")
    return at.replace(tzinfo=zone)


def answers_body(to: dict[str, str] | None, mode: str, holds: int) -> dict[str, Any] | None:
    """Returns who gets the answers of a campaign; None: nobody in particular."""
    return None if to is None else {"target": to, "mode": mode, "holds_hours": holds}


@click.command()
@campaign_options
@click.option("--at", type=StartTimeType(), metavar="TIME", help="Start it then, e.g. 2026-12-01T10:00; default: now.")
@click.option("--zone", type=ZoneType(), metavar="ZONE", help="Time zone of --at, e.g. Europe/Rome.")
@click.option("--own-time", is_flag=True, help="At the same time of day in each recipient's own time zone.")
@click.pass_obj
def start(
    installation: "Installation",
    /,
    campaign_id: UUID,
    at: datetime | None,
    zone: ZoneInfo | None,
    own_time: bool,
    expected_version: int | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Start a campaign, confirm the start of a large one, or start one that missed its time."""
    from domain.command_bodies.campaigns import StartCampaign

    if at is None and (zone is not None or own_time):
        raise click.UsageError("--zone and --own-time need --at")
    body = {
        "campaign_id": campaign_id,
        "expected_version": expected_version,
        "at": instant(at, zone) if at else None,
        "in_own_time": own_time,
    }
    carry_out(installation, StartCampaign, body, **options)


@click.command()
@campaign_options
@click.option("--note", metavar="TEXT", help="Why, for those who see it.")
@click.pass_obj
def pause(installation: "Installation", /, note: str | None, **named: Any) -> None:  # noqa: ANN401
    """Pause a campaign: at most what is under way is still sent."""
    from domain.command_bodies.campaigns import PauseCampaign

    carry_out_about(installation, PauseCampaign, named, note=note)


@click.command()
@campaign_options
@click.pass_obj
def resume(installation: "Installation", /, **named: Any) -> None:  # noqa: ANN401
    """Resume a campaign where it stood."""
    from domain.command_bodies.campaigns import ResumeCampaign

    carry_out_about(installation, ResumeCampaign, named)


@click.command()
@campaign_options
@click.option("--note", metavar="TEXT", help="Why, for those who see it.")
@click.pass_obj
def cancel(installation: "Installation", /, note: str | None, **named: Any) -> None:  # noqa: ANN401
    """Cancel a campaign: who has not got it does not get it."""
    from domain.command_bodies.campaigns import CancelCampaign

    carry_out_about(installation, CancelCampaign, named, note=note)


@click.command()
@campaign_options
@click.option(
    "--to",
    type=PhoneType(),
    multiple=True,
    required=True,
    metavar="PHONE",
    help="Phone of somebody of the company; up to five.",
)
@click.option("--row", type=click.IntRange(1), metavar="N", help="The message of this row (default: a good one).")
@click.pass_obj
def test(installation: "Installation", /, to: tuple[str, ...], row: int | None, **named: Any) -> None:  # noqa: ANN401
    """Send the message of a row to people of the company; it counts nowhere."""
    from domain.command_bodies.campaigns import TestCampaign

    carry_out_about(installation, TestCampaign, named, to=to, row_no=row)


@click.command()
@campaign_options
@click.option("--assume-sent", "as_", flag_value="assumed_sent", help="They got it.")
@click.option("--again", "as_", flag_value="send_again", help="Send it again, even if they may get it twice.")
@click.option("--row", type=click.IntRange(1), metavar="N", help="Only the recipient of this row (default: all).")
@click.pass_obj
def resolve(installation: "Installation", /, as_: str | None, row: int | None, **named: Any) -> None:  # noqa: ANN401
    """Settle recipients of whom nobody knows whether they got the message."""
    from domain.command_bodies.campaigns import ResolveRecipients

    if as_ is None:
        raise click.UsageError("use either --assume-sent or --again")
    carry_out_about(installation, ResolveRecipients, named, **{"as": as_, "row_no": row})


@click.command()
@campaign_options
@click.option("--to", type=TargetType(), metavar="TARGET", help="user:ID or skillset:ID.")
@click.option("--nobody", is_flag=True, help="Nobody in particular: as the number's menu says.")
@click.option("--mode", type=_MODES, default="exclusive", show_default=True, help="As of `witiop transfer`.")
@click.option(
    "--holds", type=click.IntRange(1, 720), default=72, show_default=True, metavar="HOURS", help="For so long."
)
@click.pass_obj
def answers(
    installation: "Installation",
    /,
    to: dict[str, str] | None,
    nobody: bool,
    mode: str,
    holds: int,
    **named: Any,  # noqa: ANN401
) -> None:
    """Change who gets the answers of a campaign from now on."""
    from domain.command_bodies.campaigns import ChangeAnswers

    if (to is None) != nobody:
        raise click.UsageError("use either --to or --nobody")
    carry_out_about(installation, ChangeAnswers, named, answers_to=answers_body(to, mode, holds))


def carry_out_about(installation: "Installation", model: Any, named: dict[str, Any], **body: Any) -> None:  # noqa: ANN401
    """Carries out a command. `named`: what the options of `campaign_options` say."""
    about = {name: named.pop(name) for name in ("campaign_id", "expected_version")}
    carry_out(installation, model, about | body, **named)
