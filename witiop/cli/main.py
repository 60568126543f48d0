"""The command line that docs/design/interface.md promises.

Most commands live in modules of their own. A module is imported when its command is called, so that no command waits
for imports that it does not need.
"""

import importlib
import sys
from pathlib import Path

import click

from witiop.exit_codes import CommandFailed
from witiop.installation import DEFAULT_STACK, Installation, running_stack

LAZY_COMMANDS = {
    "directory": "witiop.cli.directory:directory",
    "unmanaged": "witiop.cli.reading:unmanaged",
    "conversations": "witiop.cli.reading:conversations",
    "transfer": "witiop.cli.commands:transfer",
    "release": "witiop.cli.release:release",
    "dismiss": "witiop.cli.release:dismiss",
    "recall": "witiop.cli.commands:recall",
    "deferred": "witiop.cli.deferred:deferred",
    "email": "witiop.cli.commands:email",
    "mails": "witiop.cli.mails:mails",
    "send": "witiop.cli.sending.send:send",
    "media": "witiop.cli.sending.media:media",
    "messages": "witiop.cli.sending.messages:messages",
    "templates": "witiop.cli.templates:templates",
    "numbers": "witiop.cli.templates:numbers",
    "campaigns": "witiop.cli.campaigns.group:campaigns",
    "opt-outs": "witiop.cli.opt_outs:opt_outs",
    "customers": "witiop.cli.customers.group:customers",
    "alarms": "witiop.cli.alarms.group:alarms",
    "rules": "witiop.cli.rules.group:rules",
    "prices": "witiop.cli.campaigns.prices:prices",
    "dead-letters": "witiop.cli.dead_letters:dead_letters",
    "stats": "witiop.cli.statistics.group:stats",
    "backup": "witiop.cli.backups.backup:backup",
    "restore": "witiop.cli.backups.restore:restore",
    "users": "witiop.cli.users:users",
    "simulate": "witiop.cli.simulate:simulate",
}
"""Commands by name, with the module and attribute that define them."""

ENVIRONMENT = Path("-")
"""Value of `--stack` that selects the environment, even if a stack is running here."""

WITHOUT_STACK = {"dev", "install"}
"""Commands that create an installation instead of using one."""


class Witiop(click.Group):
    """All commands, in the order of their definition. Commands that use an installation accept `--stack`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands, *(name for name in LAZY_COMMANDS if name not in self.commands)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in LAZY_COMMANDS and cmd_name not in self.commands:
            module, name = LAZY_COMMANDS[cmd_name].split(":")
            self.add_command(getattr(importlib.import_module(module), name), cmd_name)
        command = super().get_command(ctx, cmd_name)
        if command is not None and cmd_name not in WITHOUT_STACK:
            _accept_stack(command)
        return command


def _accept_stack(command: click.Command) -> None:
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            _accept_stack(subcommand)
    elif all(parameter.name != "stack" for parameter in command.params):
        command.params.append(
            click.Option(
                ["--stack"],
                type=click.Path(path_type=Path, file_okay=False),
                metavar="DIR",
                expose_value=False,
                callback=_choose_stack,
                is_eager=True,
                help=f"Data directory of a running `witiop dev`, or - for the environment "
                f"(default: {DEFAULT_STACK} if a stack is running there, else the environment).",
            )
        )


def _choose_stack(ctx: click.Context, _option: click.Parameter, directory: Path | None) -> None:
    if directory is None and ctx.command.name != "run" and running_stack(DEFAULT_STACK):
        directory = DEFAULT_STACK
    ctx.obj = Installation(None if directory == ENVIRONMENT else directory)


@click.group(cls=Witiop, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="witiop-unmanaged", message="%(version)s")
def witiop() -> None:
    """Make sure that no customer who writes to a company on WhatsApp goes unanswered."""


@witiop.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_STACK,
    show_default=True,
    metavar="DIR",
    help="Data directory of the stack.",
)
@click.option(
    "--port-base",
    type=click.IntRange(1024, 65506),
    default=8400,
    show_default=True,
    metavar="N",
    help="First port: the stack uses the ports N to N+29.",
)
@click.option("--demo/--no-demo", default=True, show_default=True, help="Play a short demo through the webhooks.")
@click.option(
    "--brokers",
    type=click.Choice(["1", "3"]),
    default="1",
    show_default=True,
    help="Kafka brokers: one, or three that each have a copy of every record. Fixed when DIR is made.",
)
@click.option("--standby", is_flag=True, help="Give PostgreSQL a standby that is promoted when the primary dies.")
def dev(data: Path, port_base: int, demo: bool, brokers: str, standby: bool) -> None:
    """Run the whole system on this machine.

    Runs until Ctrl-C or SIGTERM, and restarts processes that die.
    """
    from witiop.dev.run import run_dev
    from witiop.dev.servers import StackSize

    sys.exit(run_dev(data, port_base, demo, sys.stdout, size=StackSize(int(brokers), standby)))


@witiop.command()
def install() -> None:
    """Download what dev and the tests need.

    Later runs need no network.
    """
    from infra.local import install

    install()


@witiop.command()
@click.argument("process", metavar="PROCESS")
@click.pass_obj
def run(installation: Installation, process: str) -> None:
    """Run one process.

    PROCESS is webhook, conversations, commands, routing, mails, sender, media, campaigns, analytics, alarms, rules,
    retention, timer, relay or console. It reads its settings from the environment (docs/settings.md), logs JSON to
    stderr and stops cleanly on SIGTERM.
    """
    from witiop.wiring.processes import PROCESSES, start

    if process not in PROCESSES:
        raise click.BadParameter(f"{process!r} is not one of {', '.join(PROCESSES)}", param_hint="PROCESS")
    chosen = PROCESSES[process]
    settings = installation.settings(*chosen.needs)
    more = [name for switch, names in chosen.needs_with.items() if getattr(settings, switch) for name in names]
    settings = installation.settings(*chosen.needs, *more)
    sys.exit(start(process, settings))


@witiop.command()
@click.pass_obj
def migrate(installation: Installation) -> None:
    """Bring the database schema and the roles of the processes up to date."""
    from infra.postgres import roles
    from infra.postgres.connections.pool import connect
    from infra.postgres.migrations import SchemaIsNewer, migrate
    from witiop.wiring import from_settings

    settings = installation.settings("postgres_dsn")
    dsn, passwords = settings.postgres_dsn.get_secret_value(), from_settings.role_passwords(settings)
    try:
        applied = migrate(dsn)
    except SchemaIsNewer as error:
        raise CommandFailed(str(error), "schema_is_newer") from error
    with connect(dsn, "migrate", autocommit=True) as connection:
        changes = roles.provide(connection, passwords)
    for line in (*(f"applied {version}" for version in applied), *(f"created role {role}" for role in changes.created)):
        click.echo(line)
    if changes.missing:
        click.echo(f"missing roles: {', '.join(changes.missing)}; see docs/runbook.md, Database roles")
    if not applied:
        click.echo("the schema is up to date")


@witiop.command()
@click.pass_obj
def topics(installation: Installation) -> None:
    """Create the topics, or verify their configuration.

    On a cluster with an authorizer also gives the processes' users their permissions.
    """
    from infra.kafka.access.principals import AccessRefused, provide
    from infra.kafka.topics import TopicSettings, create_or_repair
    from witiop.wiring import from_settings

    settings = installation.settings("kafka_bootstrap_servers")
    config, names = from_settings.kafka_config(settings), from_settings.topics(settings)
    expected = TopicSettings(settings.kafka_partitions, settings.kafka_replication_factor)
    passwords = from_settings.principal_passwords(settings)
    changes, findings = create_or_repair(config, names, expected)
    for change in changes:
        click.echo(f"{change.topic}: {change.what}")
    try:
        access = provide(config, names, passwords)
    except AccessRefused as error:
        raise CommandFailed(str(error), "access_refused") from error
    if access is None and passwords:
        raise CommandFailed(
            "WITIOP_KAFKA_PRINCIPAL_PASSWORDS: these brokers have no authorizer, or these credentials may not manage "
            "access (docs/security.md)",
            "access_refused",
        )
    for permission in access or ():
        click.echo(f"{permission.principal}: {permission.what}")
    for finding in findings:
        click.echo(f"{finding.where}: {finding.what}; {finding.fix}")
    if findings:
        raise CommandFailed("the topics are not configured as expected", "topics_differ")
    if not changes:
        click.echo("the topics are configured as expected")


@witiop.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def doctor(installation: Installation, as_json: bool) -> None:
    """Check this installation.

    Prints one line per problem with its fix. Exits with 1 if there are any, and with 3 if a server does not answer.
    """
    from witiop.operations.doctor import report

    sys.exit(report(installation, as_json))
