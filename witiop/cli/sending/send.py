"""`witiop send`: sends a message to a customer (docs/design/sending.md)."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from witiop.cli.commands import carry_out, command_options
from witiop.cli.templates import parameter_values

if TYPE_CHECKING:
    from witiop.installation import Installation


def _sending_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options by which every message names its customer, and those of every command."""
    for option in (
        click.option("--conversation", type=click.UUID, metavar="ID", help="Answer this conversation."),
        click.option("--number", metavar="PHONE_NUMBER_ID", help="Meta's id of the business number to write from."),
        click.option("--to", metavar="PHONE", help="Write to this phone or user id; needs --number."),
        click.option("--reply-to", metavar="WAMID", help="Quote this message."),
        click.option(
            "--hold",
            type=click.IntRange(0, 60),
            default=0,
            metavar="SECONDS",
            help="How long to hold the message so that it can be recalled.",
        ),
    ):
        command = option(command)
    return command_options(command)


def _check_recipient(*, conversation: object, number: str | None, to: str | None, **_: Any) -> None:  # noqa: ANN401
    if (conversation is None) == (number is None or to is None) or (number is None) != (to is None):
        raise click.UsageError("use either --conversation, or --number with --to")


def _send(
    installation: "Installation",
    message: dict[str, Any],
    *,
    conversation: object,
    number: str | None,
    to: str | None,
    reply_to: str | None,
    hold: int,
    **more: Any,  # noqa: ANN401 - issuer, wait and as_json
) -> None:
    from domain.commands import SendMessage
    from domain.phone_numbers import is_user_id

    _check_recipient(conversation=conversation, number=number, to=to)
    customer = {"user_id" if is_user_id(to) else "wa_id": to} if to is not None else None
    named = {"conversation_id": conversation} if conversation else {"phone_number_id": number, "customer": customer}
    body = {**named, "message": message, "reply_to": reply_to, "hold_seconds": hold}
    carry_out(installation, SendMessage, body, **more)


@click.group()
def send() -> None:
    """Send a message to a customer.

    The result says that the message is queued; `witiop messages show` says what became of it.
    """


@send.command()
@click.argument("body", metavar="TEXT")
@click.option("--preview", is_flag=True, help="Show a preview of the first link.")
@_sending_options
@click.pass_obj
def text(installation: "Installation", /, body: str, preview: bool, **options: Any) -> None:  # noqa: ANN401
    """Send a text."""
    _send(installation, {"text": {"body": body, "preview_url": preview}}, **options)


@send.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--caption", metavar="TEXT", help="Text below a picture, a video or a document.")
@_sending_options
@click.pass_obj
def media(installation: "Installation", /, file: Path, caption: str | None, **options: Any) -> None:  # noqa: ANN401
    """Send a picture, a video, an audio file, a sticker or a document.

    What it is follows from its content. Meta's limits are checked first.
    """
    from witiop.cli.sending.media import upload_file

    _check_recipient(**options)
    upload = upload_file(installation, file, options["issuer"])
    _send(installation, {"media": {"upload_id": upload, "caption": caption}}, **options)


@send.command()
@click.argument("name")
@click.option("--language", default="en", show_default=True, help="Language, as Meta writes it, e.g. pt_BR.")
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="VALUE",
    help="Parameter of the body, in order, or NAME=VALUE for a template whose parameters have names.",
)
@click.option("--named", is_flag=True, help="The parameters are written as NAME=VALUE.")
@click.option("--header", metavar="VALUE", help="Parameter of the header.")
@click.option(
    "--header-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The picture, video or document that the header shows.",
)
@click.option("--button", "buttons", multiple=True, metavar="VALUE", help="Parameter of a button, in order.")
@_sending_options
@click.pass_obj
def template(
    installation: "Installation",
    /,
    name: str,
    language: str,
    parameters: tuple[str, ...],
    named: bool,
    header: str | None,
    header_file: Path | None,
    buttons: tuple[str, ...],
    **options: Any,  # noqa: ANN401
) -> None:
    """Send an approved template; it also reaches a customer whose 24 hours are over."""
    from witiop.cli.sending.media import upload_file

    if header is not None and header_file is not None:
        raise click.UsageError("use either --header or --header-file")
    _check_recipient(**options)
    message = {"name": name, "language": language, "parameters": parameter_values(parameters, named=named)}
    shown = upload_file(installation, header_file, options["issuer"]) if header_file is not None else header
    _send(installation, {"template": {**message, "header": shown, "buttons": buttons}}, **options)


@send.command()
@click.argument("body", metavar="TEXT")
@click.option("--button", "choices", multiple=True, required=True, metavar="ID=TITLE", help="A button, at most three.")
@click.option("--header", metavar="TEXT", help="Text above.")
@click.option("--footer", metavar="TEXT", help="Text below.")
@_sending_options
@click.pass_obj
def buttons(
    installation: "Installation",
    /,
    body: str,
    choices: tuple[str, ...],
    header: str | None,
    footer: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Send a text with buttons."""
    message = {"type": "button", "body": body, "buttons": _choices(choices), "header": header, "footer": footer}
    _send(installation, {"interactive": message}, **options)


@send.command("list")
@click.argument("body", metavar="TEXT")
@click.option("--button", required=True, metavar="TITLE", help="The button that opens the list.")
@click.option("--row", "rows", multiple=True, required=True, metavar="ID=TITLE", help="A row, at most ten.")
@_sending_options
@click.pass_obj
def list_(
    installation: "Installation",
    /,
    body: str,
    button: str,
    rows: tuple[str, ...],
    **options: Any,  # noqa: ANN401
) -> None:
    """Send a text with a list to choose from."""
    message = {"type": "list", "body": body, "button": button, "sections": [{"rows": _choices(rows)}]}
    _send(installation, {"interactive": message}, **options)


@send.command()
@click.argument("latitude", type=float)
@click.argument("longitude", type=float)
@click.option("--name", metavar="TEXT", help="Name of the place.")
@click.option("--address", metavar="TEXT", help="Its address.")
@_sending_options
@click.pass_obj
def location(
    installation: "Installation",
    /,
    latitude: float,
    longitude: float,
    name: str | None,
    address: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Send a place on the map."""
    message = {"latitude": latitude, "longitude": longitude, "name": name, "address": address}
    _send(installation, {"location": message}, **options)


@send.command()
@click.argument("wamid")
@click.argument("emoji", default="")
@_sending_options
@click.pass_obj
def reaction(installation: "Installation", /, wamid: str, emoji: str, **options: Any) -> None:  # noqa: ANN401
    """React to a message of the customer; without EMOJI, take the reaction back."""
    _send(installation, {"reaction": {"message_id": wamid, "emoji": emoji}}, **options)


def _choices(given: tuple[str, ...]) -> list[dict[str, str]]:
    if not all("=" in each for each in given):
        raise click.UsageError("write each choice as ID=TITLE")
    return [{"id": key, "title": title} for key, _, title in (each.partition("=") for each in given)]
