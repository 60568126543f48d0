"""Judges the steps of setting an installation up, by what was seen. The same list is the console's page *Set-up* and
what `witiop doctor` prints."""

from domain.setup.installation import installation_steps
from domain.setup.more import more_steps
from domain.setup.receiving import receiving_steps
from domain.setup.seen import ServersSeen, SetupRecord, SetupTerms
from domain.setup.steps import SetupStep


def judge(record: SetupRecord, terms: SetupTerms, servers: ServersSeen | None) -> list[SetupStep]:
    """Returns all steps in the order in which they are taken. `servers` None: nobody has looked at them yet."""
    return [
        *installation_steps(record, terms, servers),
        *receiving_steps(record, terms),
        *more_steps(record, terms),
    ]
