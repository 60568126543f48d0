"""`witiop campaigns import`: a file with recipients becomes a campaign that can be started."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import click

from witiop.cli.campaigns.mapping import (
    MappedColumns,
    letters_of,
    mapping_body,
    mapping_text,
    read_map,
    read_quiet,
    without_column,
)
from witiop.cli.campaigns.mapping import read_values as values_of
from witiop.cli.campaigns.reading import read
from witiop.cli.campaigns.steering import TargetType, ZoneType, answers_body
from witiop.cli.commands import command_body, command_options, new, outcome_line, results_of
from witiop.cli.number_types import FiniteRange
from witiop.exit_codes import REFUSED, CommandFailed, NotReachable

if TYPE_CHECKING:  # the driver is slow to import: `--help` does without
    from zoneinfo import ZoneInfo

    from psycopg import Connection

    from infra.postgres.campaign_files.uploads import UploadedList
    from witiop.installation import Installation

_READ_SECONDS = 300.0
"""The largest file is read in a third of that."""
_LOOK_SECONDS = 0.2
_NOT_READY = ("importing", "planning")


@click.command("import")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--template",
    "templates",
    multiple=True,
    required=True,
    metavar="T",
    help="The template; up to four are compared, each person gets one of them.",
)
@click.option("--language", default="en", show_default=True, help="Its language, as Meta writes it, e.g. pt_BR.")
@click.option("--number", required=True, metavar="ID", help="Phone number id from which it is sent.")
@click.option(
    "--map",
    "columns",
    metavar="NAME=COLUMN,...",
    help="What is in which column: phone=A,name=C,language=D,zone=E, and the variables of the template: 1=B. "
    "Default: what the headings and the first rows look like.",
)
@click.option("--value", "values", multiple=True, metavar="VARIABLE=VALUE", help="For everybody, or for empty cells.")
@click.option(
    "--header-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The picture, video or document that the header of the template shows to everybody.",
)
@click.option("--name", metavar="TEXT", help="Name of the campaign (default: that of the file).")
@click.option("--country", metavar="CC", help="Country of phones without a country code (default: the number's).")
@click.option("--join-lines", is_flag=True, help="Line breaks in a variable become spaces.")
@click.option("--into-active", is_flag=True, help="Also to customers in an active conversation.")
@click.option("--canary", type=click.IntRange(0), metavar="N", help="Send so many first; 0: none.")
@click.option("--quiet", metavar="FROM-UNTIL", help="Hours in which nothing is sent, by the recipient's own clock.")
@click.option("--cap-days", type=click.IntRange(1, 365), metavar="N", help="Skip who got a campaign within N days.")
@click.option("--zone", type=ZoneType(), metavar="ZONE", help="Time zone of recipients of whom none is known.")
@click.option("--answers-to", type=TargetType(), metavar="TARGET", help="Who gets the answers: user:ID, skillset:ID.")
@click.option(
    "--ready-within",
    type=FiniteRange(0),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until it can be started.",
)
@command_options
@click.pass_obj
def import_(
    installation: "Installation",
    /,
    file: Path,
    templates: tuple[str, ...],
    language: str,
    number: str,
    columns: str | None,
    values: tuple[str, ...],
    header_file: Path | None,
    name: str | None,
    country: str | None,
    join_lines: bool,
    answers_to: dict[str, str] | None,
    ready_within: float,
    issuer: str,
    wait: float,
    as_json: bool,
    **terms: Any,  # noqa: ANN401
) -> None:
    """Make a campaign of a file with recipients, XLSX or CSV.

    Says which rows are good and what is wrong with the others. Nothing is sent before `witiop campaigns start`.
    """
    from domain.campaigns.content import HEADER, variables_of
    from domain.command_bodies.campaigns import CreateCampaign
    from infra.postgres.connections.pool import connect
    from witiop.cli.views.display import show_json

    chosen, given = read_map(columns) if columns is not None else None, values_of(values)
    body: dict[str, Any] = {
        "name": name or file.stem,
        "phone_number_id": number,
        "templates": [{"name": each, "language": language} for each in templates],
        "answers_to": answers_body(answers_to, "exclusive", 72),
        **_terms(**terms),
    }
    settings = installation.settings("kafka_bootstrap_servers", "command_secrets")

    def say(text: str) -> None:
        if not as_json:
            click.echo(text)

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        known = _templates(connection, number, templates, language)
        variables = [variable for each in known for variable in variables_of(each)]
        if (shown := _header(installation, header_file, known, given, issuer)) is not None:
            given[HEADER] = str(shown)
        file_id = _upload(connection, file, issuer)
        found = _when_read(connection, file_id)
        mapping = _mapping(found, chosen, given, variables)
        if chosen is None:
            _show_guess(found, mapping, say)
        mapping |= {"country": country, "line_breaks": "space" if join_lines else "problem"}
        body["file"] = {"file_id": file_id, "mapping": {k: v for k, v in mapping.items() if v is not None}}
        command = new(command_body(CreateCampaign, body), issuer, installation.now())
        (result,) = results_of(settings, [command], wait)
        if result["outcome"] == "applied":
            _wait_until_ready(connection, UUID(result["campaign_id"]), ready_within)
    if result["outcome"] != "applied":
        line, code = outcome_line(command, result, wait)
        if as_json:
            show_json(result)
        if code or not as_json:
            click.echo(line, err=bool(code))
        sys.exit(code)
    sys.exit(_report(installation, UUID(result["campaign_id"]), result | {"file_id": str(file_id)}, as_json))


def _terms(
    into_active: bool, canary: int | None, quiet: str | None, cap_days: int | None, zone: "ZoneInfo | None"
) -> dict[str, Any]:
    return {
        "into_active": into_active,
        "terms": {
            "canary": canary,
            "quiet": read_quiet(quiet) if quiet is not None else None,
            "cap_days": cap_days,
            "zone": zone.key if zone is not None else None,
        },
    }


def _templates(connection: "Connection[Any]", number: str, names: Sequence[str], language: str) -> list[Any]:
    """Returns the templates. Raises CommandFailed if one does not exist."""
    from infra.postgres.sending.library import StoredLibrary
    from witiop.cli.views.display import harmless

    library, found = StoredLibrary(connection), []
    for name in names:
        template = library.template(number, name, language)
        if template is None:
            raise CommandFailed(f"there is no template {harmless(name)} in {harmless(language)}", "template_unknown")
        found.append(template)
    return found


def _header(
    installation: "Installation", file: Path | None, templates: Sequence[Any], given: Mapping[str, str], actor: str
) -> UUID | None:
    """Stores the file that the header of the templates shows; None: it shows none, or one that was stored before.
    Raises UsageError if a file is missing or is not shown, CommandFailed if Meta would not take it."""
    from domain.campaigns.content import HEADER
    from domain.messages.files import LIMITS
    from witiop.cli.sending.media import upload_file

    kinds = {each.header_kind for each in templates if each.header_kind in LIMITS}
    if file is None:
        if kinds and HEADER not in given:
            raise click.UsageError(f"use --header-file: the header of the template shows {' or '.join(sorted(kinds))}")
        return None
    if HEADER in given:
        raise click.UsageError("use either --header-file or --value header=ID")
    if not kinds:
        raise click.UsageError("--header-file: the header of the template shows no file")
    return upload_file(installation, file, actor)


def _upload(connection: "Connection[Any]", file: Path, actor: str) -> UUID:
    """Stores a file, a part at a time. Raises CommandFailed for one that is too large."""
    import hashlib

    from domain.campaigns.files.refusals import MAX_FILE_BYTES
    from infra.postgres.campaign_files import files

    size = file.stat().st_size
    if size > MAX_FILE_BYTES:
        raise CommandFailed(f"{file}: {size:,} bytes, at most {MAX_FILE_BYTES:,} are read", "too_large")
    id_ = uuid4()
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        content.seek(0)
        chunks = iter(lambda: content.read(files.CHUNK_BYTES), b"")
        files.add(connection, id_, file.name[:240], size, digest, actor, chunks)
    return id_


def _when_read(connection: "Connection[Any]", file_id: UUID) -> "UploadedList":
    """Returns the file once it was read. Raises CommandFailed if it cannot be, NotReachable if nobody reads it."""
    from domain.contract.campaign_texts import file_problem_text
    from infra.postgres.campaign_files.uploads import uploaded

    deadline = time.monotonic() + _READ_SECONDS
    while True:
        found = uploaded(connection, file_id)
        if found is None or found.state == "refused":
            problem = (found.problem if found else None) or "file_unknown"
            detail = found.detail if found else None
            raise CommandFailed(f"the file cannot be read: {file_problem_text(problem, detail)}", problem)
        if found.state != "waiting":
            return found
        if time.monotonic() > deadline:
            raise NotReachable("nobody reads the file; `witiop doctor` says more")
        time.sleep(_LOOK_SECONDS)


def _mapping(
    found: "UploadedList", chosen: MappedColumns | None, values: Mapping[str, str], variables: Sequence[str]
) -> dict[str, Any]:
    """Returns the mapping: the chosen one, or what the file looks like. Raises UsageError if that misses something."""
    from domain.campaigns.files.columns import ColumnGuess, guess_parameters

    if chosen is None:
        headings = found.headings or {}
        guess = ColumnGuess(**headings["guess"])
        open_ = [variable for variable in variables if variable not in values]
        kinds = {name: column for name, column in guess._asdict().items() if column is not None}
        chosen = MappedColumns(kinds, guess_parameters(headings["columns"], guess, open_))
    columns = (found.headings or {}).get("columns", ())
    mapping = mapping_body(chosen, values, variables)
    beyond = without_column(mapping, len(columns))
    missing = [name for name in variables if name not in mapping["parameters"] and name not in values]
    if "phone" not in mapping or missing:
        what = ", ".join(dict.fromkeys([*([] if "phone" in mapping else ["phone"]), *missing]))
        raise click.UsageError(f"say with --map or --value where to find: {what}. The file has {_named(columns)}")
    if beyond:
        raise click.UsageError(f"--map: {beyond}: there is no such column. The file has {_named(columns)}")
    return mapping


def _named(columns: Sequence[str]) -> str:
    return ", ".join(f"{letters_of(n)} {heading!r}" for n, heading in enumerate(columns))


def _show_guess(found: "UploadedList", mapping: Mapping[str, Any], say: Callable[[str], None]) -> None:
    from witiop.cli.views.display import harmless

    headings = found.headings or {}
    say(f"{found.rows or 0:,} rows; the columns look like --map {mapping_text(mapping)}")
    for column, heading in enumerate(headings.get("columns", ())):
        say(f"  {letters_of(column)}  {harmless(heading)}")


def _wait_until_ready(connection: "Connection[Any]", campaign_id: UUID, seconds: float) -> None:
    """Returns once a campaign is read and planned. Raises NotReachable if that takes too long."""
    from infra.postgres.campaigns import campaigns

    deadline = time.monotonic() + seconds
    while (campaign := campaigns.find(connection, campaign_id)) is None or campaign.state in _NOT_READY:
        if time.monotonic() > deadline:
            raise NotReachable(f"campaign {campaign_id} is not ready yet; look later: witiop campaigns show")
        time.sleep(_LOOK_SECONDS)


def _report(installation: "Installation", campaign_id: UUID, result: dict[str, Any], as_json: bool) -> int:
    """Prints what became of the rows, and returns the exit code."""
    from witiop.cli.views.campaigns import import_lines, shown_document
    from witiop.cli.views.display import show, show_json

    shown = read(installation, campaign_id)
    if as_json:
        show_json(result | {"campaign": shown_document(shown)})
    else:
        show(import_lines(shown))
    return 0 if shown.campaign.state != "cancelled" else REFUSED
