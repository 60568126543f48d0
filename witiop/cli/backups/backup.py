"""`witiop backup` (interface.md)."""

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import click

from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the drivers are slow to import: `--help` does without
    from infra.postgres.backup.archive import BackupManifest
    from witiop.installation import Installation
    from witiop.settings import Settings

BACKUP_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", metavar="FILE", type=BACKUP_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def backup(installation: "Installation", file: Path, as_json: bool) -> None:
    """Write the database to a new FILE, while everything runs.

    The file is read again before it gets its name: a FILE that is there is whole. It holds everything that customers
    wrote, so keep it as safe as the database. Kafka, the bucket with the files of messages, and the secrets are not in
    it.
    """
    from infra.postgres.backup.archive import BackupDamaged
    from infra.postgres.backup.dump import back_up
    from witiop.cli.views.display import show, show_json

    settings, began = installation.settings("postgres_dsn"), monotonic()
    try:
        manifest = back_up(settings.postgres_dsn.get_secret_value(), file)
    except FileExistsError as error:
        raise CommandFailed(f"{file} is there already: name another file", "file_exists") from error
    except OSError as error:
        raise CommandFailed(f"{file} cannot be written: {error.strerror}", "file_not_written") from error
    except BackupDamaged as error:
        raise CommandFailed(f"what was written cannot be read: {error}", "backup_damaged") from error
    seconds, size = monotonic() - began, file.stat().st_size
    if as_json:
        show_json({**document(manifest), "file": str(file), "bytes": size, "seconds": round(seconds, 1)})
        return
    show(
        [
            f"{summary(manifest)}; {size:,} bytes in {seconds:.1f} s, read again and found whole",
            *not_in_it(settings),
        ]
    )


def summary(manifest: "BackupManifest") -> str:
    """Returns one line about a backup."""
    from witiop.cli.views.display import utc_minute

    tables = f"{manifest.rows:,} rows of {len(manifest.tables):,} tables"
    return f"{tables}, as of {utc_minute(manifest.taken_at)} UTC, schema {manifest.schema_version}"


def document(manifest: "BackupManifest") -> dict[str, object]:
    """Returns a backup as JSON."""
    from domain.times import rfc3339

    return {
        "taken_at": rfc3339(manifest.taken_at),
        "schema": manifest.schema_version,
        "tables": len(manifest.tables),
        "rows": manifest.rows,
    }


def not_in_it(settings: "Settings") -> list[str]:
    """Returns what else an installation consists of, as lines."""
    bucket = settings.media_bucket
    files = f"the bucket {bucket}, with the files of messages: use its own versions or copies" if bucket else None
    kafka = "Kafka: what came after the backup is read from there again, as long as its topics retain it"
    secrets = "the settings with their secrets"
    return ["Not in it:", *(f"  {each}" for each in (files, kafka, secrets) if each is not None)]
