"""The file with the demo's customers, for a campaign."""

from collections import Counter
from datetime import UTC, datetime

from domain.phone_numbers import read_phone
from domain.sending.templates import Template
from infra.local.graph.templates import TEMPLATES
from witiop.cli.simulation.recipients import columns_of, rows_for

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CHECK = next(each for each in TEMPLATES if (each["name"], each["language"]) == ("autumn_check", "it"))


def test_everybody_can_be_written_to_but_three_rows_at_the_end() -> None:
    """Fewer than a campaign tries out first, so the walk of the README is not interrupted."""
    template = Template("1", "autumn_check", "it", "APPROVED", "MARKETING", "POSITIONAL", CHECK["components"])
    assert ["Phone", "Name", "{{1}}", "{{2}}"] == [title for title, _ in columns_of(template)]
    rows = [*rows_for(template, NOW)]
    *good, nobody, short, repeated = rows
    phones = Counter(read_phone(row[0]) for row in good)
    assert (1, True) == (max(phones.values()), None not in phones)
    assert 850 < len(good) < 1000
    assert ("", None) == (nobody[0], read_phone(short[0]))
    assert good[0] == repeated
    assert all(row[1].startswith(row[2]) and row[3] == "30 euro fino a sabato" for row in good)
