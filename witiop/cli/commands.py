"""`witiop transfer`, `recall` and `email`: publishes a signed command and waits for its result (interface.md).

`carry_out` and the options are also for commands in other modules."""

import json
import os
import pwd
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from uuid import UUID, uuid4

import click

from witiop.cli.number_types import FiniteRange
from witiop.exit_codes import NOT_REACHABLE, REFUSED, CommandFailed, NotReachable

if TYPE_CHECKING:  # the driver is slow to import: `--help` does without
    from pydantic import BaseModel

    from domain.commands import Command, CommandBody
    from domain.ports import RecordPosition
    from witiop.installation import Installation
    from witiop.settings import Settings

EXPIRES_AFTER = timedelta(minutes=5)
"""Lifetime of a command. A command that is processed later is rejected."""
SOURCE = "/witiop/cli"

_PUBLISH_SECONDS = 10.0
_B = TypeVar("_B", bound="BaseModel")


def operating_system_user() -> str:
    """Returns the name of the user who runs this program, or the user id if it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # in a container, a user id may have no name
        return str(os.getuid())


def issuer_or_default(_ctx: click.Context, _option: click.Parameter, given: str | None) -> str:
    """Returns the issuer: the value of `--as`, or the operating system's user."""
    if given is None:
        return operating_system_user()
    if not given.isprintable() or not 1 <= len(given) <= 256:
        raise click.BadParameter("1 to 256 characters on one line")
    return given


def _text(
    _ctx: click.Context, _option: click.Parameter, given: str | tuple[str, ...] | None
) -> str | tuple[str, ...] | None:
    """Rejects arguments that are not UTF-8: Python decodes them to surrogates, which JSON cannot represent."""
    try:
        "".join(given or ()).encode()
    except UnicodeEncodeError:
        raise click.BadParameter("not UTF-8") from None
    return given


def command_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that every command accepts."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a line."),
        click.option(
            "--as",
            "issuer",
            metavar="USER",
            callback=issuer_or_default,
            help="Issuer of the command (default: your user name on this machine).",
        ),
        click.option(
            "--wait",
            type=FiniteRange(0, 3600),
            default=15,
            show_default=True,
            metavar="SECONDS",
            help="How long to wait for the result; 0 only publishes.",
        ),
    ):
        command = option(command)
    return command


def promise_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of a transfer that tell its target, and the template for one on reply (`promise_body`)."""
    for option in (
        click.option(
            "--holds",
            type=click.IntRange(1, 720),
            default=72,
            show_default=True,
            metavar="HOURS",
            help="How long a transfer on reply waits for the answer.",
        ),
        click.option("--button", "buttons", multiple=True, metavar="VALUE", help="Parameter of a button, in order."),
        click.option("--header", metavar="VALUE", help="Parameter of its header."),
        click.option("--named", is_flag=True, help="The parameters are written as NAME=VALUE."),
        click.option("--param", "parameters", multiple=True, metavar="VALUE", help="Parameter of its body, in order."),
        click.option(
            "--language", default="en", show_default=True, help="Its language, as Meta writes it, e.g. pt_BR."
        ),
        click.option("--template", metavar="NAME", help="Template for a transfer on reply."),
        click.option(
            "--mode",
            type=click.Choice(["immediate", "exclusive"]),
            required=True,
            help="immediate: now or not at all; exclusive: reserved until an agent is ready.",
        ),
        click.option("--to-skillset", metavar="S", help="Transfer it to the members of this skillset."),
        click.option("--to-user", metavar="U", help="Transfer it to this user."),
    ):
        command = option(command)
    return command


def promise_body(
    to_user: str | None,
    to_skillset: str | None,
    mode: str,
    template: str | None,
    language: str,
    parameters: tuple[str, ...],
    named: bool,
    header: str | None,
    buttons: tuple[str, ...],
    holds: int,
) -> dict[str, Any]:
    """Returns what the options of `promise_options` say of a transfer on reply."""
    from witiop.cli.templates import parameter_values

    if template is None:
        raise click.UsageError("a transfer on reply needs --template")
    values = parameter_values(parameters, named=named)
    return _target(to_user, to_skillset) | {
        "mode": mode,
        "template": {
            "name": template,
            "language": language,
            "parameters": values,
            "header": header,
            "buttons": buttons,
        },
        "holds_hours": holds,
    }


def _target(to_user: str | None, to_skillset: str | None) -> dict[str, Any]:
    if bool(to_user) == bool(to_skillset):
        raise click.UsageError("use either --to-user or --to-skillset")
    return {"target": {"kind": "user", "id": to_user} if to_user else {"kind": "skillset", "id": to_skillset}}


expected_version_option = click.option(
    "--expected-version",
    type=click.IntRange(0),
    metavar="V",
    help="Reject the command if the conversation is no longer at this version.",
)


@click.command()
@click.argument("conversation_id", metavar="ID", type=click.UUID)
@promise_options
@click.option("--on-reply", is_flag=True, help="Of a closed conversation: send a template, transfer the answer.")
@expected_version_option
@command_options
@click.pass_obj
def transfer(
    installation: "Installation",
    /,
    conversation_id: UUID,
    on_reply: bool,
    expected_version: int | None,
    issuer: str,
    wait: float,
    as_json: bool,
    **promise: Any,  # noqa: ANN401
) -> None:
    """Transfer a conversation to a user or skillset.

    ID is the id of the conversation. A closed one is transferred with --on-reply: its customer gets a template, and
    what they answer within --holds is transferred at once. If nobody can take it then, it is reserved for the target.
    """
    from domain.commands import Transfer, TransferOnReply

    named: dict[str, Any] = {"conversation_id": conversation_id}
    if not on_reply:
        if any(promise[name] for name in ("template", "parameters", "header", "buttons")):
            raise click.UsageError("--template, --param, --header and --button need --on-reply")
        target = _target(promise["to_user"], promise["to_skillset"])
        body = named | target | {"mode": promise["mode"], "expected_version": expected_version}
        carry_out(installation, Transfer, body, issuer=issuer, wait=wait, as_json=as_json)
    if expected_version is not None:
        raise click.UsageError("--expected-version does not apply to --on-reply: a closed conversation stays as it is")
    body = named | promise_body(**promise)
    carry_out(installation, TransferOnReply, body, issuer=issuer, wait=wait, as_json=as_json)


@click.command()
@click.argument("conversation_id", metavar="[ID]", type=click.UUID, required=False)
@click.option(
    "--mail", "mail_command_id", metavar="COMMAND_ID", help="Recall the mail of this command instead of a conversation."
)
@click.option(
    "--message", "send_command_id", metavar="COMMAND_ID", help="Recall the message of this command, if it still waits."
)
@expected_version_option
@command_options
@click.pass_obj
def recall(
    installation: "Installation",
    conversation_id: UUID | None,
    mail_command_id: str | None,
    send_command_id: str | None,
    expected_version: int | None,
    issuer: str,
    wait: float,
    as_json: bool,
) -> None:
    """Recall a transfer, a held mail or a message that waits, or give a conversation back.

    ID is the id of the conversation. If an agent has accepted it, only that agent can give it back (--as), and only
    while nobody has written to the customer.
    """
    from domain.commands import Recall

    if sum(each is not None for each in (conversation_id, mail_command_id, send_command_id)) != 1:
        raise click.UsageError("use one of: a conversation ID, --mail, --message")
    if conversation_id is None and expected_version is not None:
        raise click.UsageError("--expected-version applies to conversations only")
    body = {
        "conversation_id": conversation_id,
        "mail_command_id": mail_command_id,
        "send_command_id": send_command_id,
        "expected_version": expected_version,
    }
    carry_out(installation, Recall, body, issuer=issuer, wait=wait, as_json=as_json)


@click.command()
@click.argument("conversation_id", metavar="ID", type=click.UUID)
@click.option(
    "--to",
    metavar="ADDRESS",
    multiple=True,
    required=True,
    callback=_text,
    help='Recipient, also as "Jane <jane@example.com>; bob@example.com"; can be used several times.',
)
@click.option(
    "--subject", metavar="TEXT", callback=_text, help="Default: who wrote, and when; needs WITIOP_POSTGRES_DSN."
)
@click.option("--body", metavar="TEXT", required=True, callback=_text, help="Text above the transcript.")
@click.option(
    "--hold",
    type=click.IntRange(0, 60),
    default=0,
    metavar="SECONDS",
    help="How long to hold the mail so that it can be recalled.",
)
@click.option("--mask/--no-mask", default=None, help="Mask phone numbers (default: the setting WITIOP_MAIL_MASK).")
@click.option("--notes", is_flag=True, help="Include the internal notes; every recipient can read them then.")
@command_options
@click.pass_obj
def email(
    installation: "Installation",
    conversation_id: UUID,
    to: tuple[str, ...],
    subject: str | None,
    body: str,
    hold: int,
    mask: bool | None,
    notes: bool,
    issuer: str,
    wait: float,
    as_json: bool,
) -> None:
    """Forward a whole conversation by email.

    ID is the id of the conversation.
    """
    from domain.commands import Email

    content = {
        "to": _recipients(to),
        "subject": _suggested_subject(installation, conversation_id) if subject is None else subject,
        "body": body,
        "hold_seconds": hold,
        "mask": mask,
        "notes": notes or None,
    }
    carry_out(
        installation, Email, {"conversation_id": conversation_id, **content}, issuer=issuer, wait=wait, as_json=as_json
    )


def _recipients(typed: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the addresses. Raises CommandFailed if one is not valid, and names it: no result of a command does."""
    from domain.commands import Rejection
    from domain.contract.texts import REJECTION_TEXTS
    from domain.mail_body.recipients import recipients_in
    from infra.ses.addresses import address
    from witiop.cli.views.display import harmless

    found = [each for text in typed for each in recipients_in(text) or (text,)]
    invalid = [each for each in found if address(each) is None]
    if invalid:
        reason = Rejection.ADDRESS_INVALID
        raise CommandFailed(f"{REJECTION_TEXTS[reason]}: {harmless(', '.join(invalid))}", reason.value)
    return tuple(found)


def _suggested_subject(installation: "Installation", conversation_id: UUID) -> str:
    """Returns the subject that the console would suggest. Raises CommandFailed if there is no such conversation."""
    from domain.commands import Rejection
    from domain.contract.texts import REJECTION_TEXTS
    from domain.mail_body.subject import suggested_subject
    from infra.postgres.connections.pool import connect
    from infra.postgres.conversations.histories import CustomerHistories
    from infra.postgres.directory import DirectoryCache

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = CustomerHistories(connection).read([conversation_id])
        directory = DirectoryCache().read(connection)
    if not found:
        reason = Rejection.CONVERSATION_UNKNOWN
        raise CommandFailed(REJECTION_TEXTS[reason], reason.value)
    (of,) = found
    return suggested_subject(of.customer_name, of.last_at, directory.number(of.phone_number_id))


def command_body(model: "type[_B]", body: dict[str, Any]) -> "_B":
    """Returns a command's body. Raises UsageError for a value that its model does not take."""
    from pydantic import ValidationError

    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise click.UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def new(body: "CommandBody", issuer: str, now: datetime) -> "Command":
    """Returns a new command."""
    from domain.commands import new_command

    return new_command(body, id_=str(uuid4()), source=SOURCE, issuer=issuer, at=now, expires_at=now + EXPIRES_AFTER)


def carry_out(
    installation: "Installation",
    model: "type[CommandBody]",
    body: dict[str, Any],
    *,
    issuer: str,
    wait: float,
    as_json: bool,
) -> NoReturn:
    """Publishes a command, waits for its result, prints it and ends the program with its exit code."""
    from witiop.cli.views.display import show_json

    content = command_body(model, body)
    settings = installation.settings("kafka_bootstrap_servers", "command_secrets")
    command = new(content, issuer, installation.now())
    result = _result(settings, command, wait)
    if as_json:
        show_json(result)
    line, code = outcome_line(command, result, wait)
    if code or not as_json:
        click.echo(line, err=bool(code))
    sys.exit(code)


def outcome_line(command: "Command", result: dict[str, Any], wait: float) -> tuple[str, int]:
    """Returns the line that tells a command's result, and the exit code."""
    from witiop.cli.views.display import harmless

    match result["outcome"]:
        case "published":
            return f"published as command {command.head.id}", 0
        case "applied":
            return _success(command), 0
        case "rejected":
            return f"witiop: rejected ({result['reason']}): {harmless(_reason(result))}", REFUSED
        case _:
            return f"witiop: no result for command {command.head.id} within {wait:g} s", NOT_REACHABLE


def _result(settings: "Settings", command: "Command", wait: float) -> dict[str, Any]:
    """Publishes the command and waits up to `wait` seconds for its result."""
    from domain.commands import Rejection
    from domain.ports import RecordTooLarge

    try:
        (result,) = results_of(settings, [command], wait)
    except RecordTooLarge:
        return {"command_id": command.head.id, "outcome": "rejected", "reason": Rejection.TOO_LARGE.value}
    return result


def results_of(settings: "Settings", commands: "Sequence[Command]", wait: float) -> list[dict[str, Any]]:
    """Publishes the commands and waits up to `wait` seconds for their results.

    Returns each result as it was published, or a document in its form with the outcome `published` or `unknown`. Raises
    RecordTooLarge, NotReachable.
    """
    from domain.commands import signed
    from domain.ports import PublishFailed, RecordTooLarge
    from infra.kafka.tail import TopicTail
    from witiop.cli.publishing import connected_publisher
    from witiop.wiring import from_settings

    topics = from_settings.topics(settings)
    secret = settings.command_secrets[0].get_secret_value().encode()
    records = [signed(command, topics.commands, secret) for command in commands]
    outcome = "unknown" if wait else "published"
    found = [{"command_id": each.head.id, "outcome": outcome, "reason": None} for each in commands]
    with ExitStack() as resources:
        kafka = resources.enter_context(connected_publisher(settings, [topics.commands]))
        results: TopicTail | None = None
        if wait:  # positioned at the ends before the command is published, so that the result cannot be missed
            results = resources.enter_context(
                TopicTail(from_settings.kafka_config(settings).client_options(), topics.results)
            )
        try:
            positions = kafka.publish(records, _PUBLISH_SECONDS)
        except RecordTooLarge:
            raise
        except PublishFailed as error:
            raise NotReachable(str(error)) from error
        if results is None:
            return found
        missing = dict(enumerate(zip(commands, positions, strict=True)))
        deadline = time.monotonic() + wait
        while missing and (left := deadline - time.monotonic()) > 0:
            for record in results.poll(left):
                result: dict[str, Any] = json.loads(record.value)
                for place, (command, position) in list(missing.items()):
                    if _is_of(result, command.head.id, position):
                        found[place] = result
                        del missing[place]
    return found


def _success(command: "Command") -> str:
    """Returns the line for an applied command. For a mail or a message it names the command, by which that can be
    recalled."""
    from domain.commands import Email, SendMessage

    return (
        f"queued for sending as command {command.head.id}" if isinstance(command.body, Email | SendMessage) else "done"
    )


def _is_of(result: dict[str, Any], command_id: str, position: "RecordPosition") -> bool:
    """Returns whether a result belongs to the command.

    The result of a command that was not authentic has no id, because the id cannot be trusted: it is identified by the
    position of its record.
    """
    if result["command_id"] is None:
        return (result["partition"], result["offset"]) == position
    return bool(result["command_id"] == command_id)


def _reason(result: dict[str, Any]) -> str:
    from domain.commands import Rejection
    from domain.contract.texts import REJECTION_TEXTS

    try:
        text = REJECTION_TEXTS[Rejection(result["reason"])]
    except ValueError:
        text = "this version of witiop does not know this reason"
    if detail := result.get("detail"):
        return f"{text}: {detail}"
    if owner := result.get("owner"):
        return f"{text} ({owner['state']}: {owner['kind']} {owner['id']})"
    return text
