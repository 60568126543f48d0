"""Files with recipients: what is accepted, and why one is refused (docs/design/campaigns.md, *Files*)."""

from typing import Literal, get_args

MAX_FILE_BYTES = 100 * 1024 * 1024
MAX_FILE_ROWS = 1_048_576
"""As many as a sheet of a spreadsheet program has, with the headings."""
MAX_FILE_COLUMNS = 256
FIRST_ROWS = 20
"""So many rows are kept for people to see before they create a campaign."""

CampaignFileProblem = Literal[
    "empty",
    "no_rows",
    "too_large",
    "too_many_rows",
    "too_many_columns",
    "encrypted",
    "old_excel",
    "unknown_kind",
    "damaged",
    "open_quote",
    "unpacks_too_large",
    "too_much_memory",
    "too_much_time",
]
"""Why a file is refused. New problems may be added."""
FILE_PROBLEMS: tuple[CampaignFileProblem, ...] = get_args(CampaignFileProblem)


class RefusedFile(Exception):
    """A file that cannot be read. `problem`: why; `detail`: what was found in its place, without its content."""

    def __init__(self, problem: CampaignFileProblem, detail: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.detail = detail
