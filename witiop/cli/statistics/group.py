"""`witiop stats` with all its commands."""

import click

from witiop.cli.statistics.rebuilding import rebuild
from witiop.cli.statistics.reclassifying import reclassify
from witiop.cli.statistics.showing import show_


@click.group()
def stats() -> None:
    """Numbers: who was left alone, when, why, and what became of them."""


for _command in (show_, rebuild, reclassify):
    stats.add_command(_command)
