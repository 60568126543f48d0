"""Why a channel could not be told, in words (`infra.hooks.poster.HookOutcome`)."""

from collections.abc import Mapping

from domain.contract.texts import gettext_noop

PROBLEM_TEXTS: Mapping[str, str] = {
    "not_an_address": gettext_noop("The address is not a web address."),
    "not_https": gettext_noop("The address must begin with https://."),
    "not_mails": gettext_noop("One of the email addresses is not valid, or there are more than 20."),
    "private_address": gettext_noop(
        "The address leads into a private network. WITIOP_ALARM_PRIVATE_HOSTS names hosts that are allowed."
    ),
    "no_such_host": gettext_noop("There is no server with this name."),
    "refused": gettext_noop("The server accepts no connections."),
    "connection_lost": gettext_noop("The server closed the connection without an answer."),
    "time_out": gettext_noop("The server did not answer in time."),
    "tls": gettext_noop("The server's certificate is not valid."),
    "no_mails": gettext_noop("This installation sends no mails."),
    "mail_refused": gettext_noop("Amazon SES did not accept the mail."),
    "no_address": gettext_noop("The directory has no email address for this person."),
    "removed": gettext_noop("The channel was removed."),
}
STATUS_TEXT = gettext_noop("The server answered with status %(status)s.")
_STATUS = "http_"


def problem_text(problem: str) -> tuple[str, Mapping[str, str]]:
    """Returns the text of a problem, and what it is filled with."""
    if problem.startswith(_STATUS):
        return STATUS_TEXT, {"status": problem.removeprefix(_STATUS)}
    return PROBLEM_TEXTS.get(problem, problem), {}
