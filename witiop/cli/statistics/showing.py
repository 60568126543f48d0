"""`witiop stats show`."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

if TYPE_CHECKING:  # the drivers are slow to import: `--help` does without
    from infra.postgres.statistics.numbers import PeriodNumbers
    from witiop.installation import Installation


@click.command("show")
@click.option("--days", type=click.IntRange(1, 400), default=30, show_default=True, help="The last days, with today.")
@click.option("--number", metavar="N", help="Only this business number (its Meta id).")
@click.option("--reason", metavar="R", help="Only customers left alone for this reason.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def show_(installation: "Installation", days: int, number: str | None, reason: str | None, as_json: bool) -> None:
    """Show how many were left alone, rescued and lost. Days are those at the number's place, or of most numbers."""
    from domain.statistics.hours import place_of_most
    from infra.postgres import directory
    from infra.postgres.connections.pool import connect
    from infra.postgres.statistics.numbers import StatPeriod, numbers_of
    from witiop.cli.views.display import show, show_json

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        _, company = directory.read(connection)
        place = company.number(number).time_zone if number else place_of_most(company)
        today = installation.now().astimezone(ZoneInfo(place)).date()
        period = StatPeriod(today - timedelta(days=days - 1), today, number, reason)
        found = numbers_of(connection, period)
    document = {"first": str(period.first), "last": str(period.last), **_document(found)}
    if as_json:
        show_json(document)
    else:
        show(_lines(document, found.counted_to))


def _document(found: "PeriodNumbers") -> dict[str, object]:
    from domain.statistics.buckets import quantile

    times = {
        kind: {"n": sum(histogram.values()), "p50_s": quantile(histogram, 0.5), "p90_s": quantile(histogram, 0.9)}
        for kind, histogram in sorted(found.times.items())
    }
    return {
        "total": found.total._asdict(),
        "weeks": {str(week): sums._asdict() for week, sums in sorted(found.weeks.items())},
        "reasons": found.reasons,
        "times": times,
        "steps": [step._asdict() for step in found.steps],
        "agents": [agent._asdict() for agent in found.agents],
        "rules": [rule._asdict() for rule in found.rules],
    }


def _lines(document: dict[str, object], counted_to: datetime | None) -> list[str]:
    from witiop.cli.views.display import harmless, utc_minute

    lines = [f"{document['first']} to {document['last']}"]
    for name in ("total", "reasons"):
        values = document[name]
        assert isinstance(values, dict)
        lines += [f"  {harmless(key)}  {value:,}" for key, value in values.items()]
    times = document["times"]
    assert isinstance(times, dict)
    lines += [
        f"  {kind}: half within {each['p50_s']:.0f} s, nine tenths within {each['p90_s']:.0f} s ({each['n']:,})"
        for kind, each in times.items()
    ]
    lines.append(f"counted up to {utc_minute(counted_to)}" if counted_to else "nothing is counted yet")
    return lines
