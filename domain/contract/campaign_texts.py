"""Why a file with recipients is refused, what is wrong with its rows, why nothing is sent to good ones, and why the
product itself pauses or cancels a campaign: worded once for the command line and the console, which translates them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from domain.campaigns.campaign import CampaignReason
from domain.campaigns.files.refusals import CampaignFileProblem
from domain.campaigns.recipients import RowProblem, SkipReason
from domain.contract.texts import gettext_noop


class ProblemText(NamedTuple):
    """What is wrong, and what helps; or why somebody is left out, and a word about it. `help` may be empty."""

    name: str
    help: str


CAMPAIGN_REASON_TEXTS: Mapping[CampaignReason, str] = {
    "canary": gettext_noop("too many of the first messages failed"),
    "failures": gettext_noop("too many messages failed for the same reason"),
    "unknowns": gettext_noop("Meta did not confirm too many messages"),
    "template_changed": gettext_noop("Meta's template is no longer as it was planned"),
    "number_paused": gettext_noop("the number may not send"),
    "restored": gettext_noop("the database was restored"),
    "import_failed": gettext_noop("the recipients could not be read"),
    "nobody": gettext_noop("there is nobody to send it to"),
    "template_quality": gettext_noop("Meta lowered the template's quality"),
    "number_quality": gettext_noop("Meta lowered the number's quality"),
    "defect": gettext_noop("something in the product is broken: see its log"),
}
"""Why the product itself changed a campaign's state."""

_LEFT_OUT = gettext_noop("Left out")
ROW_PROBLEM_TEXTS: Mapping[RowProblem | SkipReason, ProblemText] = {
    "duplicate": ProblemText(gettext_noop("The same person twice"), gettext_noop("The first one is kept")),
    "phone_missing": ProblemText(gettext_noop("No phone number"), _LEFT_OUT),
    "phone_invalid": ProblemText(gettext_noop("Not a phone number"), _LEFT_OUT),
    "phone_is_a_number": ProblemText(
        gettext_noop("Phone was saved as a number and has lost digits"),
        gettext_noop("Format the column as text, upload again"),
    ),
    "phone_without_country": ProblemText(
        gettext_noop("Phone without country code"),
        gettext_noop("Choose the country of phones without a code"),
    ),
    "parameter_empty": ProblemText(
        gettext_noop("A field would be empty"),
        gettext_noop("Say what stands there instead"),
    ),
    "parameter_line_break": ProblemText(gettext_noop("Line break in a field"), gettext_noop("Replace it with a space")),
    "parameter_spaces": ProblemText(
        gettext_noop("More than four spaces in a row in a field"),
        gettext_noop("Meta takes no such text: shorten it, upload again"),
    ),
    "parameter_too_long": ProblemText(
        gettext_noop("A field is too long"),
        gettext_noop("The whole text has at most 1,024 characters: shorten it, upload again"),
    ),
    "zone_unknown": ProblemText(
        gettext_noop("Unknown time zone"),
        gettext_noop("Write it like Europe/Rome, or choose no column for it"),
    ),
    "language_unknown": ProblemText(
        gettext_noop("No template in this language"),
        gettext_noop("Choose the template in this language too, or no column for it"),
    ),
    "too_many_cells": ProblemText(
        gettext_noop("More cells than headings"),
        gettext_noop("Put quotes around a text with the separator in it, upload again"),
    ),
    "cell_error": ProblemText(gettext_noop("The cell shows an error"), gettext_noop("Mend the formula, upload again")),
}
"""What is wrong with rows of a file, and what helps."""

SKIP_TEXTS: Mapping[SkipReason, ProblemText] = {
    "opted_out": ProblemText(gettext_noop("Opted out"), gettext_noop("respected at the last moment")),
    "active_conversation": ProblemText(gettext_noop("In an active conversation"), gettext_noop("the switch is off")),
    "us_marketing": ProblemText(gettext_noop("United States, marketing"), gettext_noop("Meta delivers none there")),
    "recently_reached": ProblemText(gettext_noop("Reached a few days ago"), gettext_noop("frequency cap")),
    "recipient_not_allowed": ProblemText(
        gettext_noop("Not allowed here"),
        gettext_noop("this installation may only write to some phones"),
    ),
    "parameters_unfit": ProblemText(gettext_noop("The fields do not fit the template"), ""),
}
"""Why nothing is sent to good rows."""

_FILE_PROBLEMS: Mapping[CampaignFileProblem, str] = {
    "empty": gettext_noop("The file is empty."),
    "no_rows": gettext_noop("The file has headings and no rows below them."),
    "too_large": gettext_noop("The file is larger than 100 MB. Split it."),
    "too_many_rows": gettext_noop("The file has more than 1,048,576 rows. Split it."),
    "too_many_columns": gettext_noop("The file has more than 256 columns. Delete those that are not needed."),
    "encrypted": gettext_noop("The file is protected with a password. Save it without one."),
    "old_excel": gettext_noop("This is a file of an old Excel (.xls). Save it as .xlsx or .csv."),
    "unknown_kind": gettext_noop("This is neither an Excel file (.xlsx) nor text with separators (.csv)."),
    "damaged": gettext_noop("The file is damaged. Open it in a spreadsheet program and save it again."),
    "open_quote": gettext_noop("A quotation mark of this line has no partner. Put it right in a text editor."),
    "unpacks_too_large": gettext_noop("The file unpacks to far more than a list of recipients. Save it again."),
    "too_much_memory": gettext_noop("The file is too complicated to be read. Save it as .csv."),
    "too_much_time": gettext_noop("Reading the file took too long. Save it as .csv."),
}
_UNREADABLE = gettext_noop("The file cannot be read. Save it as .csv.")
"""For a problem of another version."""


def file_problem_text(problem: str | None, detail: str | None, translated: Callable[[str], str] = str) -> str:
    """Returns why a file with recipients was refused, and what helps. `detail`: what was found in its place."""
    text = translated(_FILE_PROBLEMS.get(problem or "", _UNREADABLE))  # type: ignore[call-overload]
    return f"{text} ({detail})" if detail and detail != "binary" else text


def skipped_text(code: str) -> ProblemText:
    """Returns why nothing is sent to a row; an unknown reason is shown as it is."""
    found = SKIP_TEXTS.get(code) or ROW_PROBLEM_TEXTS.get(code)  # type: ignore[call-overload]  # of another version
    return found or ProblemText(code, "")
