"""`witiop alarms channels|add|change|remove|test`: where alarms are sent (docs/design/alarms.md)."""

import sys
import time
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from witiop.cli.commands import issuer_or_default
from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from domain.alarms.channels import AlarmChannel
    from witiop.installation import Installation

_TEST_SECONDS = 30.0
_STEP_SECONDS = 0.2
_FORMS = ("text", "card", "mail")

issuer_option = click.option(
    "--as", "issuer", callback=issuer_or_default, metavar="NAME", help="On whose behalf (default: the system's user)."
)


@click.command("channels")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_channels(installation: "Installation", as_json: bool) -> None:
    """List where alarms are sent. Addresses and secrets are not shown."""
    from infra.postgres.alarms.channels import channels
    from infra.postgres.connections.pool import connect
    from witiop.cli.views.display import harmless, show, show_json

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = channels(connection)
    if as_json:
        show_json({"rows": [{**channel._asdict(), "id": str(channel.id)} for channel in found]})
        return
    show(
        f"{harmless(each.name)}: {each.form} to {harmless(each.shown)}, in {each.language}, "
        f"{'red alarms only' if each.level == 'red' else 'all alarms'}"
        f"{'' if each.system else ' that a rule sends to it'}{', with the customer' if each.shows_customer else ''}"
        for each in found
    )
    if not found:
        show(["Alarms are sent nowhere: add a channel with witiop alarms add."])


@click.command()
@click.argument("name")
@click.option("--form", type=click.Choice(_FORMS), default="text", show_default=True, help="card: Microsoft Teams.")
@click.option("--language", type=click.Choice(("en", "it")), default="en", show_default=True)
@click.option("--level", type=click.Choice(("amber", "red")), default="amber", show_default=True, help="The lowest.")
@click.option("--rules-only", is_flag=True, help="Only alarms that a rule sends to it.")
@click.option("--shows-customer", is_flag=True, help="Say the name and the phone of a customer.")
@issuer_option
@click.pass_obj
def add(installation: "Installation", /, name: str, issuer: str, rules_only: bool, **fields: Any) -> None:  # noqa: ANN401 - options
    """Add a channel. Its address is read from the standard input: it is a secret.

    A webhook's URL, or addresses of mails, comma separated. Prints the secret that signs what a webhook gets.
    """
    from domain.alarms.channels import (
        AddressRefused,
        AlarmChannel,
        ChannelSecrets,
        is_name,
        normal_address,
        shown_address,
    )
    from infra.postgres.alarms.channels import add_channel
    from infra.postgres.connections.pool import connect
    from infra.ses.addresses import address as mail_address

    if not is_name(name):
        raise CommandFailed("a name is one line of 1 to 60 characters", "name_invalid")
    private, form = installation.settings("postgres_dsn").alarm_private_hosts, fields["form"]
    try:
        address = normal_address(form, _read_address(), private, mail_address)
    except AddressRefused as error:
        raise CommandFailed(f"the channel was not added: {_problem(str(error))}", "address_refused") from None
    channel = AlarmChannel(
        id=uuid4(), name=name, shown=shown_address(form, address, private), system=not rules_only, **fields
    )
    secrets = ChannelSecrets(address, "" if form == "mail" else token_urlsafe(32))
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection, connection.transaction():
        if not add_channel(connection, channel, secrets, issuer):
            raise CommandFailed(f"there is a channel {name} already", "name_taken")
        note_change(connection, issuer, "channel_added", channel=name, form=form)
    click.echo(f"added; signed with {secrets.secret}" if secrets.secret else "added")


@click.command()
@click.argument("name")
@click.option("--address", is_flag=True, help="Read a new address from the standard input.")
@click.option("--language", type=click.Choice(("en", "it")))
@click.option("--level", type=click.Choice(("amber", "red")), help="The lowest.")
@click.option("--rules-only/--all-alarms", default=None, help="Only alarms that a rule sends to it, or all.")
@click.option(
    "--shows-customer/--hides-customer", default=None, help="Say the name and the phone of a customer, or not."
)
@issuer_option
@click.pass_obj
def change(
    installation: "Installation",
    /,
    name: str,
    issuer: str,
    address: bool,
    rules_only: bool | None,
    **fields: Any,  # noqa: ANN401 - options
) -> None:
    """Change what a channel gets, and where it leads. What is not named stays."""
    from domain.alarms.channels import AddressRefused, normal_address, shown_address
    from infra.postgres.alarms.channels import change_channel
    from infra.postgres.connections.pool import connect
    from infra.ses.addresses import address as mail_address

    private = installation.settings("postgres_dsn").alarm_private_hosts
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        channel = _channel(connection, name)
        try:
            new = normal_address(channel.form, _read_address(), private, mail_address) if address else None
        except AddressRefused as error:
            raise CommandFailed(f"the channel was not changed: {_problem(str(error))}", "address_refused") from None
        if new is not None:
            fields["shown"] = shown_address(channel.form, new, private)
        if rules_only is not None:
            fields["system"] = not rules_only
        changed = channel._replace(**{key: value for key, value in fields.items() if value is not None})
        with connection.transaction():
            if change_channel(connection, changed, new, issuer):
                note_change(connection, issuer, "channel_changed", channel=name, address=new is not None)
    click.echo("changed")


@click.command()
@click.argument("name")
@issuer_option
@click.pass_obj
def remove(installation: "Installation", name: str, issuer: str) -> None:
    """Remove a channel. Its address is forgotten."""
    from infra.postgres.alarms.channels import remove_channel
    from infra.postgres.connections.pool import connect

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection, connection.transaction():
        if remove_channel(connection, _channel(connection, name).id, issuer):
            note_change(connection, issuer, "channel_removed", channel=name)
    click.echo("removed")


@click.command()
@click.argument("name")
@issuer_option
@click.pass_obj
def test(installation: "Installation", name: str, issuer: str) -> None:
    """Send a test alarm to a channel, and wait until it arrived."""
    from infra.postgres.alarms.deliveries import is_settled, request_test
    from infra.postgres.connections.pool import connect

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        channel = _channel(connection, name)
        with connection.transaction():
            delivery = request_test(connection, channel.id, channel.name, issuer)
            note_change(connection, issuer, "channel_tested", channel=name)
        until = time.monotonic() + _TEST_SECONDS
        while not (found := is_settled(connection, delivery))[0] and time.monotonic() < until:
            time.sleep(_STEP_SECONDS)
    settled, problem = found
    if problem is None and settled:
        click.echo("it arrived")
        return
    why = _problem(problem) if problem else "Check that `witiop run alarms` is running."
    raise CommandFailed(f"it did not arrive: {why}", "not_delivered")


def note_change(connection: Any, issuer: str, what: str, **detail: object) -> None:  # noqa: ANN401 - as for `_channel`
    """Writes a change of alarms into the audit log, as the console does."""
    from infra.postgres.console import audit

    audit.write(connection, [audit.AuditEntry("alarms_changed", issuer, None, detail={"what": what, **detail})])


def _read_address() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Address", hide_input=True, err=True))
    return sys.stdin.readline()


def _problem(problem: str) -> str:
    from domain.alarms.problems import problem_text

    text, values = problem_text(problem)
    return text % values


def _channel(connection: Any, name: str) -> "AlarmChannel":  # noqa: ANN401 - the driver is imported when it is used
    from infra.postgres.alarms.channels import channels

    for channel in channels(connection):
        if channel.name == name:
            return channel
    raise CommandFailed(f"there is no channel {name}: see witiop alarms channels", "channel_unknown")
