"""`witiop campaigns` with all its commands."""

import click

from witiop.cli.campaigns.checking import check
from witiop.cli.campaigns.examples import example, problems
from witiop.cli.campaigns.importing import import_
from witiop.cli.campaigns.reading import list_, recipients, show_
from witiop.cli.campaigns.retrying import retry
from witiop.cli.campaigns.steering import answers, cancel, pause, resolve, resume, start, test


@click.group()
def campaigns() -> None:
    """Campaigns: one template to many customers, each at most once."""


_COMMANDS = (
    example,
    import_,
    problems,
    check,
    list_,
    show_,
    recipients,
    start,
    pause,
    resume,
    cancel,
    retry,
    test,
    resolve,
    answers,
)

for _command in _COMMANDS:
    campaigns.add_command(_command)
