"""`witiop media`, and the files of `witiop send media`."""

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import click

from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # boto3 is slow to import: `--help` does without
    from infra.media.store import S3FileStore
    from witiop.installation import Installation


@click.group()
def media() -> None:
    """Files that customers sent, and files that were sent to them."""


@media.command("get")
@click.argument("id_", metavar="ID", type=click.UUID)
@click.argument("target", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def get_(installation: "Installation", id_: UUID, target: Path) -> None:
    """Write a file to FILE.

    ID is that of a customer's message, or of an upload.
    """
    from infra.media.store import StoreUnavailable
    from infra.postgres.connections.pool import connect
    from infra.postgres.media import received, uploads

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        file, upload = received.find(connection, id_), uploads.find(connection, id_)
    if file is not None and file.is_deleted:
        raise CommandFailed(
            "the customer deleted the message; administrators can open it in the console", "media_deleted"
        )
    key = file.sha256 if file is not None else upload.sha256 if upload is not None else None
    if file is None and upload is None:
        raise CommandFailed(f"there is no message with a file, and no upload, of the id {id_}", "media_unknown")
    if key is None:
        state = "was not fetched" if file is not None and file.state == "failed" else "has not been fetched yet"
        reason = f": {file.reason}" if file is not None and file.reason else ""
        raise CommandFailed(f"the file {state}{reason}", "media_not_stored")
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        with unfinished.open("wb") as out:
            out.writelines(_store(installation).read(key))
        unfinished.replace(target)
    except StoreUnavailable as error:
        raise CommandFailed(str(error), "store_unavailable") from None
    finally:
        unfinished.unlink(missing_ok=True)
    click.echo(f"{target}: {target.stat().st_size:,} bytes")


def upload_file(installation: "Installation", path: Path, actor: str) -> UUID:
    """Stores a file that is to be sent and returns the id of the upload. Raises CommandFailed if Meta would not take
    the file, or the store does not."""
    import hashlib

    from domain.messages.files import UnusableFile, check_file
    from infra.media.store import StoreUnavailable
    from infra.postgres.connections.pool import connect
    from infra.postgres.media import uploads

    with path.open("rb") as file:
        try:
            checked = check_file(file, path.name)
        except UnusableFile as error:
            raise CommandFailed(f"{path}: {error}", "media_unusable") from None
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        try:
            _store(installation).put(sha256, file)
        except StoreUnavailable as error:
            raise CommandFailed(str(error), "store_unavailable") from None
    id_ = uuid4()
    upload = uploads.UploadedFile(id_, checked.kind, checked.mime_type, path.name[:240], checked.size, sha256, actor)
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        uploads.add(connection, upload)
    return id_


def _store(installation: "Installation") -> "S3FileStore":
    from infra.media.store import S3FileStore
    from witiop.wiring.from_settings import store_access

    return S3FileStore(store_access(installation.settings("media_bucket", "media_region")))
