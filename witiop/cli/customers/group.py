"""`witiop customers`: one person's data, exported or erased (docs/design/retention.md)."""

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import click

from witiop.cli.commands import command_body, command_options, new, outcome_line, results_of
from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from collections.abc import Callable

    from infra.postgres.retention.erasures import Erasure
    from witiop.installation import Installation

_ERASED_SECONDS = 60.0
"""How long the program waits until an erasure was carried out."""


class NamedPerson(NamedTuple):
    """Whom the options name: exactly one of both."""

    phone: str | None
    customer: UUID | None


def _person_options(command: "Callable[..., None]") -> "Callable[..., None]":
    for option in (
        click.option("--id", "customer", type=click.UUID, metavar="ID", help="The id of a customer of one number."),
        click.option("--phone", metavar="PHONE", help="A phone with its country code, at all numbers."),
    ):
        command = option(command)
    return command


def _person(phone: str | None, customer: UUID | None) -> NamedPerson:
    from domain.phone_numbers import read_phone

    if (phone is None) == (customer is None):
        raise click.UsageError("use either --phone or --id")
    read = read_phone(phone) if phone is not None else None
    if phone is not None and read is None:
        raise click.UsageError(f"--phone: {phone[:40]!r} is no phone with its country code, like +39 333 1234567")
    return NamedPerson(read, customer)


@click.group()
def customers() -> None:
    """One person's data: a copy of all of it, or its erasure."""


@customers.command()
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@_person_options
@click.pass_obj
def export(installation: "Installation", file: Path, phone: str | None, customer: UUID | None) -> None:
    """Write a copy of a person's data to a new ZIP file.

    It has one JSON document for each table, and the files of the person's messages. Only you can read the file.
    """
    from infra.media.store import S3FileStore
    from infra.postgres.connections.pool import connect
    from infra.postgres.retention.archive import person_archive
    from infra.postgres.retention.people import customers_of
    from witiop.cli.views.display import show
    from witiop.wiring.from_settings import store_access

    who = _person(phone, customer)
    settings = installation.settings("postgres_dsn")
    store = S3FileStore(store_access(settings)) if settings.media_bucket else None
    with connect(settings.postgres_dsn.get_secret_value(), "cli", autocommit=True) as connection:
        found = customers_of(connection, who.phone, who.customer)
        if not found and who.phone is None:
            raise CommandFailed("nothing is known of this person", "customer_unknown")
        try:
            target = open(file, "xb", opener=_private)  # noqa: SIM115 - closed below
        except FileExistsError:
            raise CommandFailed(f"{file} exists already: choose another name", "file_exists") from None
        except OSError as error:
            raise CommandFailed(f"{file}: {error.strerror}", "file_not_written") from None
        done = False
        try:
            with target:
                for part in person_archive(connection, found, who.phone, store.read if store else None):
                    target.write(part)
            done = True
        finally:
            if not done:
                with suppress(OSError):
                    file.unlink()
    show([f"Written to {file}."])


def _private(path: str, flags: int) -> int:
    import os

    return os.open(path, flags, 0o600)


@customers.command()
@_person_options
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@command_options
@click.pass_obj
def erase(
    installation: "Installation",
    /,
    phone: str | None,
    customer: UUID | None,
    dry_run: bool,
    yes: bool,
    issuer: str,
    wait: float,
    as_json: bool,
) -> None:
    """Erase a person. This cannot be undone.

    Says first what would be removed. What the topics still hold stays until their retention ends, but is not stored
    again. That the person wants no messages is remembered, without their address.
    """
    from domain.command_bodies.customers import EraseCustomer
    from infra.postgres.connections.clock import database_now
    from infra.postgres.connections.pool import connect
    from infra.postgres.retention.erasures import erasure_of
    from infra.postgres.retention.people import allow_long, counted, customers_of, direct_sends, subject_of
    from witiop.cli.views.display import show, show_json

    who = _person(phone, customer)
    needed = ("postgres_dsn",) if dry_run else ("postgres_dsn", "kafka_bootstrap_servers", "command_secrets")
    settings = installation.settings(*needed)
    with connect(settings.postgres_dsn.get_secret_value(), "cli", autocommit=True) as connection:
        found = customers_of(connection, who.phone, who.customer)
        direct = direct_sends(connection, found, who.phone)
        subject = subject_of(connection, found, who.phone, direct)
        with connection.transaction():
            allow_long(connection)
            rows = counted(connection, subject, database_now(connection), everything=True)
        if not rows:
            raise CommandFailed("nothing is known of this person", "customer_unknown")
        if dry_run or not as_json:
            _tell(rows, len(subject.files), as_json=as_json, title="Would be removed or made anonymous")
        if dry_run:
            return
        if not yes:
            click.confirm("Erase all of it? This cannot be undone.", abort=True, err=True)
        body: EraseCustomer = command_body(EraseCustomer, {"phone": who.phone, "customer_id": who.customer})
        command = new(body, issuer, installation.now())
        (result,) = results_of(settings, [command], wait)
        line, code = outcome_line(command, result, wait)
        if code or result["outcome"] != "applied":
            click.echo(line, err=bool(code))
            sys.exit(code)
        erasure = _carried_out(lambda: erasure_of(connection, command.head.id))
    if erasure is None or erasure.state == "asked":
        raise CommandFailed(
            "the erasure was accepted, and waits: check that `witiop run retention` is running", "not_carried_out_yet"
        )
    if as_json:
        show_json({"command_id": command.head.id, "state": erasure.state, "removed": erasure.removed})
        return
    _tell(erasure.removed, 0, as_json=False, title="Removed or made anonymous")
    show(list(REMAINS))


REMAINS = (
    "Topics keep what they have until their retention ends: messages and statuses 30 days, public events and commands "
    "as long as the broker is set to (7 days, unless you changed it). None of it is stored again.",
    "Backups, copies that were exported or sent by mail, and what other programs read from the topics are theirs.",
)
"""What an erasure does not reach."""


def _carried_out(read: "Callable[[], Erasure | None]") -> "Erasure | None":
    """Returns the erasure as soon as no table is left to be looked through, or as it is after a while."""
    until = time.monotonic() + _ERASED_SECONDS
    erasure = read()
    while (erasure is None or erasure.state in ("asked", "erased")) and time.monotonic() < until:
        time.sleep(0.1)
        erasure = read()
    return erasure


def _tell(rows: dict[str, int], files: int, *, as_json: bool, title: str) -> None:
    from witiop.cli.views.display import show, show_json

    if as_json:
        document: dict[str, Any] = {"rows": rows, "files": files}
        show_json(document)
        return
    show([f"{title}:", *(f"  {n:,} in {table}" for table, n in sorted(rows.items()))])
    if files:
        show([f"  {files:,} files"])
