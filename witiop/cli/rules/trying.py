"""`witiop rules try`: the dry run of a rule, also of one in a directory file that is not applied yet."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from witiop.installation import Installation

_SHOWN = 50


@click.command("try")
@click.argument("rule_id", metavar="ID")
@click.option("--days", type=click.IntRange(1, 30), help="Against the last days (default: the list as it is).")
@click.option(
    "--directory",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Take the rule from this directory file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def try_rule(installation: "Installation", rule_id: str, days: int | None, file: Path | None, as_json: bool) -> None:
    """Tell what a rule would do, or would have done, and what became of the customers without it. Changes nothing.

    Names and phones of customers are not shown.
    """
    from domain.times import rfc3339
    from infra.languages.detection import language_of
    from infra.postgres import directory
    from infra.postgres.connections.pool import connect
    from infra.postgres.rules.dry_run import dry_run
    from witiop.cli.views.display import harmless, show, show_json, utc_minute
    from witiop.directory_file import DirectoryFileError, read_directory

    try:
        written = None if file is None else read_directory(file)
    except DirectoryFileError as error:
        for problem in error.problems:
            click.echo(harmless(str(problem)), err=True)
        raise CommandFailed(f"problems to fix in {file}: {len(error.problems)}", "directory_file_refused") from error
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        tried = written or directory.read(connection)[1]
        rule = next((rule for rule in tried.rules if rule.id == rule_id), None)
        if rule is None:
            known = ", ".join(each.id for each in tried.rules) or "none"
            raise CommandFailed(f"there is no rule {rule_id}: there are {known}", "rule_unknown")
        trial = dry_run(connection, tried, rule, days, language_of)
    if as_json:
        rows = [
            {"conversation_id": str(act.conversation_id), "at": rfc3339(act.at), "outcome": act.outcome}
            for act in trial.acts
        ]
        since = rfc3339(trial.since) if trial.since is not None else None
        show_json({"rows": rows, "looked_at": trial.looked_at, "since": since})
        return
    n = len(trial.acts)
    if days is None:
        show([f"It would act on {n:,} conversations of the list."])
    else:
        lost = trial.count("lost")
        show([f"It would have acted on {n:,} conversations in the last {days} days; {lost:,} of them were lost."])
        show(["Who was ready then was not kept, and is not simulated."])
    looked = f"{trial.looked_at:,} conversations were looked at"
    show([f"{looked}." if trial.since is None else f"{looked}: those since {utc_minute(trial.since)} UTC."])
    show(f"{utc_minute(act.at)}  {act.outcome:<9}  {act.conversation_id}" for act in trial.acts[:_SHOWN])
    if n > _SHOWN:
        show([f"and {n - _SHOWN:,} more: see --json"])
