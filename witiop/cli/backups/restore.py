"""`witiop restore`: restores a backup, and shows what is held afterwards (interface.md)."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from witiop.cli.backups.backup import BACKUP_FILE
from witiop.cli.commands import issuer_or_default
from witiop.exit_codes import CommandFailed, NotReachable

if TYPE_CHECKING:  # the drivers are slow to import: `--help` does without
    from collections.abc import Iterator

    from infra.postgres.backup.archive import BackupReader
    from witiop.installation import Installation
    from witiop.operations.restore import HeldItem


@click.group()
def restore() -> None:
    """Restore a backup of the database; decide about what is held then.

    Mails, messages and commands of before the restore are held: they may have been sent or carried out already.
    """


@restore.command("check")
@click.argument("file", metavar="FILE", type=BACKUP_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
def check(file: Path, as_json: bool) -> None:
    """Read a backup and verify that it is whole; needs no database."""
    from witiop.cli.backups.backup import document, summary
    from witiop.cli.views.display import show, show_json

    with opened(file) as reader:
        manifest = reader.check()
    if as_json:
        show_json(document(manifest))
    else:
        show([f"whole: {summary(manifest)}"])


@restore.command("from")
@click.argument("file", metavar="FILE", type=BACKUP_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def from_(installation: "Installation", file: Path, as_json: bool) -> None:
    """Restore the backup in FILE into the database, which must be empty.

    FILE is checked first. Afterwards the schema and the roles are those of this version, and what was waiting to be
    sent is held. Stop all processes but the webhook before; start them afterwards, in any order.
    """
    from infra.postgres import roles
    from infra.postgres.backup.load import DatabaseNotEmpty, restore
    from infra.postgres.connections.pool import connect
    from infra.postgres.messaging.restores import held_count
    from infra.postgres.migrations import SchemaIsNewer, migrate
    from witiop.cli.backups.backup import document, summary
    from witiop.cli.views.display import show, show_json
    from witiop.wiring import from_settings

    settings = installation.settings("postgres_dsn")
    dsn, passwords = settings.postgres_dsn.get_secret_value(), from_settings.role_passwords(settings)
    with opened(file) as reader:
        reader.check()
        try:
            manifest = restore(dsn, reader)
        except DatabaseNotEmpty as error:
            raise CommandFailed(str(error), "database_not_empty") from error
        except SchemaIsNewer as error:
            raise CommandFailed(str(error), "schema_is_newer") from error
    applied = migrate(dsn)
    with connect(dsn, "restore", autocommit=True) as connection:
        changes = roles.provide(connection, passwords)
        held = held_count(connection) or 0
    if as_json:
        show_json({**document(manifest), "migrated": applied, "missing_roles": [*changes.missing], "held": held})
        return
    lines = [f"restored {summary(manifest)}", *(f"applied {version}" for version in applied)]
    if changes.missing:
        lines.append(f"missing roles: {', '.join(changes.missing)}; see docs/runbook.md, Database roles")
    lines.append(f"{held:,} mails and messages are held. Start the processes; witiop restore list shows what is held.")
    show(lines)


@contextmanager
def opened(file: Path) -> "Iterator[BackupReader]":
    """Yields a backup. Raises CommandFailed if it is none, or is damaged."""
    from infra.postgres.backup.archive import BackupDamaged, BackupReader

    try:
        reader = BackupReader(file)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}", "file_not_read") from error
    except BackupDamaged as error:
        raise CommandFailed(str(error), "backup_damaged") from error
    try:
        yield reader
    except BackupDamaged as error:
        raise CommandFailed(f"{file}: {error}", "backup_damaged") from error
    finally:
        reader.close()


@restore.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_(installation: "Installation", as_json: bool) -> None:
    """List what is held."""
    from infra.postgres.connections.pool import connect
    from infra.postgres.messaging.restores import is_open
    from witiop.cli.views.display import show, show_json
    from witiop.operations.restore import held_items

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        items, unconfirmed = held_items(connection), is_open(connection)
    if as_json:
        show_json({"confirmed": not unconfirmed, "held": [_document(item) for item in items]})
    elif not unconfirmed:
        show(["No restore waits for its confirmation."])
    else:
        show(_lines(items))


@restore.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Decide about everything that is held.")
@click.option(
    "--again",
    is_flag=True,
    help="Send these mails and messages, carry out these commands again (default: they were done before the restore).",
)
@click.option(
    "--as",
    "issuer",
    metavar="USER",
    callback=issuer_or_default,
    help="Who decides (default: your user name on this machine).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def confirm(
    installation: "Installation", ids: tuple[str, ...], everything: bool, again: bool, issuer: str, as_json: bool
) -> None:
    """Decide about what is held; without ids and --all, list it.

    The restore is confirmed when nothing is held any more. Mails and messages that were done stay listed as unknown.
    """
    from contextlib import ExitStack

    from domain.ports import PublishFailed
    from infra.postgres.connections.pool import connect
    from infra.postgres.messaging import restores
    from witiop.cli.publishing import connected_publisher
    from witiop.cli.views.display import show, show_json
    from witiop.operations.restore import decide, held_items
    from witiop.wiring import from_settings

    if ids and everything:
        raise click.UsageError("name the ids, or use --all")
    with ExitStack() as resources:
        connection = resources.enter_context(connect(installation.postgres_dsn, "cli", autocommit=True))
        items = held_items(connection)
        chosen = items if everything else [item for item in items if item.id in ids]
        if missing := set(ids) - {item.id for item in chosen}:
            raise CommandFailed(f"not held: {', '.join(sorted(missing))}", "not_held")
        if items and not chosen:
            show([*_lines(items), "", "Name the ids, or use --all. With --again they are done again."])
            return
        settings = installation.settings("kafka_bootstrap_servers", "postgres_dsn", "command_secrets")
        topics, secret = from_settings.topics(settings), from_settings.secret_bytes(settings.command_secrets)[0]
        try:
            publisher = (
                resources.enter_context(connected_publisher(settings, [topics.commands]))
                if again and any(item.command for item in chosen)
                else None
            )
            decide(connection, publisher, topics, secret, chosen, issuer, again=again)
        except PublishFailed as error:
            raise NotReachable(str(error)) from error
        confirmed = restores.confirm(connection, issuer)
        left = len(held_items(connection))
    if as_json:
        show_json({"decided": [item.id for item in chosen], "again": again, "confirmed": confirmed, "left": left})
        return
    word = "will be done again" if again else "noted as done before the restore"
    show([f"{len(chosen):,} {word}", "the restore is confirmed" if confirmed else f"{left:,} are still held"])


def _lines(items: "list[HeldItem]") -> list[str]:
    from witiop.cli.views.display import harmless, utc_minute

    if not items:
        return ["The database was restored; nothing is held. Confirm it with witiop restore confirm."]
    lines = ["The database was restored. What follows may have been done before; nobody does it again by itself.", ""]
    for item in items:
        ses = f" (SES: {item.ses})" if item.ses else ""
        what = harmless(item.what)
        lines.append(f"{item.id}  {item.kind}  {utc_minute(item.at)}  {harmless(item.issuer)}  {what}{ses}")
    return lines


def _document(item: "HeldItem") -> dict[str, object]:
    from domain.times import rfc3339

    return {
        "id": item.id,
        "kind": item.kind,
        "at": rfc3339(item.at),
        "issuer": item.issuer,
        "what": item.what,
        "ses": item.ses,
    }
