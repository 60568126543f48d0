"""`witiop transfer`, `recall` and `email`: a signed command goes to its topic, its result comes back (interface.md)."""

import json
import os
import pwd
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import click

from witiop.exit_codes import NOT_REACHABLE, REFUSED, NotReachable

if TYPE_CHECKING:  # the driver takes its time: `--help` does without
    from domain.commands import Command, Email, Recall, Transfer
    from domain.ports import RecordPosition
    from witiop.installation import Installation
    from witiop.settings import Settings

EXPIRES_AFTER = timedelta(minutes=5)
"""A command that was not looked at by then is refused."""
SOURCE = "/witiop/cli"

_PUBLISH_SECONDS = 10.0


def user_here() -> str:
    """The operating system's user."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # in a container, a user id may have no name
        return str(os.getuid())


def who_asks(_ctx: click.Context, _option: click.Parameter, given: str | None) -> str:
    """The issuer: as given with `--as`, else the operating system's user."""
    if given is None:
        return user_here()
    if not given.isprintable() or not 1 <= len(given) <= 256:
        raise click.BadParameter("1 to 256 characters on one line")
    return given


def _text(_ctx: click.Context, _option: click.Parameter, given: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """Bytes of the shell that are no UTF-8 come as what no JSON can hold."""
    try:
        "".join(given).encode()
    except UnicodeEncodeError:
        raise click.BadParameter("not UTF-8") from None
    return given


def _command_options(command: Callable[..., None]) -> Callable[..., None]:
    """What every command accepts."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a line."),
        click.option(
            "--as", "issuer", metavar="USER", callback=who_asks, help="Who asks (default: you on this machine)."
        ),
        click.option(
            "--wait",
            type=click.FloatRange(0, 3600),
            default=15,
            show_default=True,
            metavar="SECONDS",
            help="How long to wait for the result; 0 publishes only.",
        ),
    ):
        command = option(command)
    return command


_expected_version = click.option(
    "--expected-version", type=click.IntRange(0), metavar="V", help="Refuse if it changed since then."
)


@click.command()
@click.argument("conversation_id", metavar="ID", type=click.UUID)
@click.option("--to-user", metavar="U", help="Hand it to this user.")
@click.option("--to-skillset", metavar="S", help="Hand it to the members of this skillset.")
@click.option(
    "--mode",
    type=click.Choice(["immediate", "exclusive"]),
    required=True,
    help="Now or not at all; or reserved until somebody is ready.",
)
@_expected_version
@_command_options
@click.pass_obj
def transfer(
    installation: "Installation",
    conversation_id: UUID,
    to_user: str | None,
    to_skillset: str | None,
    mode: str,
    expected_version: int | None,
    issuer: str,
    wait: float,
    as_json: bool,
) -> None:
    """Hand conversation ID to a user or to a skillset."""
    from domain.commands import Transfer

    if bool(to_user) == bool(to_skillset):
        raise click.UsageError("use either --to-user or --to-skillset")
    target = {"kind": "user", "id": to_user} if to_user else {"kind": "skillset", "id": to_skillset}
    body = {"conversation_id": conversation_id, "target": target, "mode": mode, "expected_version": expected_version}
    _carry_out(installation, Transfer, body, issuer=issuer, wait=wait, as_json=as_json)


@click.command()
@click.argument("conversation_id", metavar="[ID]", type=click.UUID, required=False)
@click.option("--mail", "mail_command_id", metavar="COMMAND_ID", help="Take back the mail of this command instead.")
@_expected_version
@_command_options
@click.pass_obj
def recall(
    installation: "Installation",
    conversation_id: UUID | None,
    mail_command_id: str | None,
    expected_version: int | None,
    issuer: str,
    wait: float,
    as_json: bool,
) -> None:
    """Take conversation ID back from whoever has not accepted it yet, or a mail that is still held."""
    from domain.commands import Recall

    if (conversation_id is None) == (mail_command_id is None):
        raise click.UsageError("name either a conversation or --mail")
    if mail_command_id is not None and expected_version is not None:
        raise click.UsageError("--expected-version is of a conversation, not of a mail")
    body = {
        "conversation_id": conversation_id,
        "mail_command_id": mail_command_id,
        "expected_version": expected_version,
    }
    _carry_out(installation, Recall, body, issuer=issuer, wait=wait, as_json=as_json)


@click.command()
@click.argument("conversation_id", metavar="ID", type=click.UUID)
@click.option(
    "--to",
    metavar="ADDRESS",
    multiple=True,
    required=True,
    callback=_text,
    help="Recipient; may be given several times.",
)
@click.option("--subject", metavar="TEXT", required=True, callback=_text)
@click.option("--body", metavar="TEXT", required=True, callback=_text, help="What stands before the transcript.")
@click.option("--hold", type=click.IntRange(0, 60), default=0, metavar="SECONDS", help="Until then it can be recalled.")
@click.option("--mask/--no-mask", default=None, help="Hide phone numbers (default: as the settings say).")
@_command_options
@click.pass_obj
def email(
    installation: "Installation",
    conversation_id: UUID,
    to: tuple[str, ...],
    subject: str,
    body: str,
    hold: int,
    mask: bool | None,
    issuer: str,
    wait: float,
    as_json: bool,
) -> None:
    """Forward the whole conversation ID by mail."""
    from domain.commands import Email

    content = {"to": to, "subject": subject, "body": body, "hold_seconds": hold, "mask": mask}
    _carry_out(
        installation, Email, {"conversation_id": conversation_id, **content}, issuer=issuer, wait=wait, as_json=as_json
    )


def _carry_out(
    installation: "Installation",
    model: "type[Transfer | Recall | Email]",
    body: dict[str, Any],
    *,
    issuer: str,
    wait: float,
    as_json: bool,
) -> None:
    from pydantic import ValidationError

    from domain.commands import new_command
    from witiop.cli.views.display import harmless, show_json

    try:
        content = model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise click.UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    settings = installation.settings("kafka_bootstrap_servers", "command_secrets")
    now = datetime.now(UTC)
    asked = new_command(content, id_=str(uuid4()), source=SOURCE, issuer=issuer, at=now, expires_at=now + EXPIRES_AFTER)
    result = _result(settings, asked, wait)
    if as_json:
        show_json(result)
    match result["outcome"]:
        case "published":
            line, code = f"published as command {asked.head.id}", 0
        case "applied":
            line, code = _done(asked), 0
        case "rejected":
            line, code = f"witiop: rejected ({result['reason']}): {harmless(_reason(result))}", REFUSED
        case _:
            line, code = f"witiop: no result of command {asked.head.id} within {wait:g} s", NOT_REACHABLE
    if code or not as_json:
        click.echo(line, err=bool(code))
    sys.exit(code)


def _result(settings: "Settings", asked: "Command", wait: float) -> dict[str, Any]:
    """Publishes and waits: the result as it stands on its topic, or what is known instead of one."""
    from domain.commands import Rejection, signed
    from domain.ports import PublishFailed, RecordTooLarge
    from infra.kafka.tail import TopicTail
    from witiop.cli.publishing import publisher
    from witiop.wiring import from_settings

    topics = from_settings.topics(settings)
    record = signed(asked, topics.commands, settings.command_secrets[0].get_secret_value().encode())
    with ExitStack() as opened:
        kafka = opened.enter_context(publisher(settings, [topics.commands]))
        results: TopicTail | None = None
        if wait:  # it stands at the ends before the command is there, so its result cannot be missed
            results = opened.enter_context(
                TopicTail(from_settings.kafka_config(settings).client_options(), topics.results)
            )
        try:
            (place,) = kafka.publish([record], _PUBLISH_SECONDS)
        except RecordTooLarge:
            return {"command_id": asked.head.id, "outcome": "rejected", "reason": Rejection.TOO_LARGE.value}
        except PublishFailed as error:
            raise NotReachable(str(error)) from error
        if results is None:
            return {"command_id": asked.head.id, "outcome": "published", "reason": None}
        until = time.monotonic() + wait
        while (left := until - time.monotonic()) > 0:
            for found in results.poll(left):
                result: dict[str, Any] = json.loads(found.value)
                if _is_of(result, asked.head.id, place):
                    return result
    return {"command_id": asked.head.id, "outcome": "unknown", "reason": None}


def _done(asked: "Command") -> str:
    """What a person can hold on to: a mail that is held is recalled by its command."""
    from domain.commands import Email

    return f"taken for sending as command {asked.head.id}" if isinstance(asked.body, Email) else "done"


def _is_of(result: dict[str, Any], command_id: str, place: "RecordPosition") -> bool:
    """Of a command that was not authentic nothing is believed, its id neither: it is told by where it stood."""
    if result["command_id"] is None:
        return (result["partition"], result["offset"]) == place
    return bool(result["command_id"] == command_id)


def _reason(result: dict[str, Any]) -> str:
    from domain.commands import Rejection
    from domain.contract.texts import REJECTION_TEXTS

    try:
        why = REJECTION_TEXTS[Rejection(result["reason"])]
    except ValueError:
        why = "this version of witiop does not know the reason"
    if owner := result.get("owner"):
        return f"{why} ({owner['state']}: {owner['kind']} {owner['id']})"
    return why
