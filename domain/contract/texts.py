"""Rejections, reasons and weaknesses of passwords in plain English, worded once for the command line and the console.

The console translates these texts: they are the message ids of its catalogues.
"""

from collections.abc import Mapping
from typing import NamedTuple

from domain.command_bodies.parts import DismissedAs
from domain.commands import Rejection
from domain.conversations.reasons import Reason


def gettext_noop(text: str) -> str:
    """Marks a text for extraction into the catalogues and returns it as it is."""
    return text


NO_NAME = gettext_noop("Customer without a name")


class ReasonText(NamedTuple):
    """A reason as a label of a list, and as a sentence without its full stop."""

    label: str
    sentence: str


REASON_TEXTS: Mapping[Reason, ReasonText] = {
    Reason.NO_CHOICE: ReasonText(
        gettext_noop("Nothing chosen"), gettext_noop("The customer did not choose anything from the menu")
    ),
    Reason.INVALID_CHOICE: ReasonText(
        gettext_noop("Choice not understood"), gettext_noop("The customer chose something that is not on the menu")
    ),
    Reason.UNREADABLE: ReasonText(
        gettext_noop("Not passed on"), gettext_noop("Sent something that WhatsApp does not pass on")
    ),
    Reason.OUT_OF_HOURS: ReasonText(
        gettext_noop("Out of hours"), gettext_noop("The customer only wrote outside working hours")
    ),
    Reason.NUMBER_HAS_NO_MENU: ReasonText(
        gettext_noop("No menu"), gettext_noop("The number has neither a menu nor a Softbot to route the customer")
    ),
    Reason.NOBODY_TOOK_IT: ReasonText(
        gettext_noop("Nobody took it"), gettext_noop("It was queued, reserved or offered, and nobody took it")
    ),
    Reason.TAKEN_NOT_ANSWERED: ReasonText(
        gettext_noop("Taken, never answered"),
        gettext_noop("An agent took it, and nobody wrote to the customer"),
    ),
    Reason.NO_REPLY: ReasonText(
        gettext_noop("Waiting for a reply"),
        gettext_noop("Somebody had answered the customer, and nobody takes care of it any more"),
    ),
    Reason.RESERVATION_EXPIRED: ReasonText(
        gettext_noop("Reservation expired"), gettext_noop("It was reserved, and nobody took it in time")
    ),
    Reason.BOT_CLOSED: ReasonText(
        gettext_noop("Closed by the bot"),
        gettext_noop("The Softbot ended it before anybody else got involved"),
    ),
}

DISMISSAL_TEXTS: Mapping[DismissedAs, str] = {
    "no_answer_needed": gettext_noop("No answer needed"),
    "spam": gettext_noop("Spam"),
    "duplicate": gettext_noop("Duplicate"),
}
"""Why conversations are dismissed, as labels."""

REJECTION_TEXTS: Mapping[Rejection, str] = {
    Rejection.NOT_AUTHENTIC: gettext_noop("the command's signature is not valid: check the command secret"),
    Rejection.MALFORMED: gettext_noop("the command is not well-formed"),
    Rejection.EXPIRED: gettext_noop("it waited too long to be processed, so nothing was done: try again"),
    Rejection.CONVERSATION_UNKNOWN: gettext_noop("there is no such conversation"),
    Rejection.CONVERSATION_CLOSED: gettext_noop(
        "the conversation is closed: the 24-hour window is over, or it was ended"
    ),
    Rejection.VERSION_CONFLICT: gettext_noop("the conversation has changed in the meantime: look at it again"),
    Rejection.ALREADY_MANAGED: gettext_noop("somebody is already taking care of it"),
    Rejection.ALREADY_ASSIGNED: gettext_noop("somebody already has it: recall it first"),
    Rejection.USER_UNKNOWN: gettext_noop("this user is not in the directory"),
    Rejection.SKILLSET_UNKNOWN: gettext_noop("this skillset is not in the directory"),
    Rejection.USER_NOT_READY: gettext_noop("this user is not ready"),
    Rejection.USER_AT_CAPACITY: gettext_noop("this user is at capacity"),
    Rejection.NO_AGENT_READY: gettext_noop("no agent with this skillset is available"),
    Rejection.WINDOW_CLOSING: gettext_noop("the customer's 24-hour window closes too soon to wait for anybody"),
    Rejection.NOTHING_TO_RECALL: gettext_noop("there is nothing left to recall"),
    Rejection.ADDRESS_INVALID: gettext_noop("one of the addresses is not valid"),
    Rejection.RECIPIENT_NOT_ALLOWED: gettext_noop(
        "this installation may not write to one of the recipients "
        "(WITIOP_SENDING_ALLOWED_TO, WITIOP_MAIL_ALLOWED_DOMAINS)"
    ),
    Rejection.TOO_MANY_RECIPIENTS: gettext_noop("a mail has at most 50 recipients"),
    Rejection.TOO_LARGE: gettext_noop("the mail would be larger than 10 MB"),
    Rejection.SUBJECT_INVALID: gettext_noop(
        "the subject must be one line of 1 to 250 characters, without control characters and without =?"
    ),
    Rejection.MAILS_DISABLED: gettext_noop("this installation sends no mails (WITIOP_SES_SENDER)"),
    Rejection.SENDING_DISABLED: gettext_noop("sending messages is switched off here (WITIOP_SENDING_ENABLED)"),
    Rejection.NOT_YOURS: gettext_noop(
        "only who has the conversation can do this, or an administrator who takes it over"
    ),
    Rejection.WINDOW_CLOSED: gettext_noop(
        "the customer's last message is more than 24 hours old: only a template reaches them"
    ),
    Rejection.TEMPLATE_UNKNOWN: gettext_noop("there is no such template in this language"),
    Rejection.TEMPLATE_NOT_APPROVED: gettext_noop("Meta does not allow this template now"),
    Rejection.PARAMETERS_WRONG: gettext_noop("the parameters do not fit the template"),
    Rejection.MEDIA_UNKNOWN: gettext_noop("there is no such file, or it does not fit the template"),
    Rejection.CUSTOMER_WROTE_MEANWHILE: gettext_noop("the customer wrote again meanwhile"),
    Rejection.BSUID_NOT_POSSIBLE: gettext_noop("Meta sends this template to phone numbers only"),
    Rejection.NOTHING_TO_RESOLVE: gettext_noop("there is no such message of which it is unknown whether it was sent"),
    Rejection.CONVERSATION_OPEN: gettext_noop(
        "the customer has an active conversation with this number: transfer that one now"
    ),
    Rejection.CAMPAIGN_UNKNOWN: gettext_noop("the campaign does not exist"),
    Rejection.CAMPAIGN_STATE: gettext_noop("that is not possible in the state that the campaign is in"),
    Rejection.SECOND_PERSON_NEEDED: gettext_noop("another person has to confirm the start"),
    Rejection.FILE_UNKNOWN: gettext_noop("the file does not exist or could not be read"),
    Rejection.RESTORE_NOT_READ: gettext_noop(
        "the database was restored, and what Meta reported before that is still being read; try again in a few minutes"
    ),
    Rejection.NOTHING_TO_RETRY: gettext_noop("there is nobody for whom another try could succeed"),
    Rejection.NUMBER_UNKNOWN: gettext_noop("WhatsApp knows no such number of this company"),
    Rejection.ALREADY_DISMISSED: gettext_noop("it is dismissed already"),
    Rejection.ALREADY_PROMISED: gettext_noop(
        "the customer's next answer is already promised to somebody: cancel that first"
    ),
    Rejection.OPTED_OUT: gettext_noop("the customer wants no advertising from this number"),
    Rejection.CUSTOMER_UNKNOWN: gettext_noop("nothing is known of this person"),
}
"""A clause that follows "rejected:"; it begins in lower case and has no full stop."""

SEND_HELP_TEXTS: Mapping[str, str] = {
    "token": gettext_noop("Meta does not accept the access token: it has to be renewed in the settings."),
    "account": gettext_noop("Meta has restricted the account or the number: look into the WhatsApp Manager."),
    "rate": gettext_noop("Meta accepts no more messages at the moment. It is sent by itself as soon as it does."),
    "spam": gettext_noop(
        "Too many customers reported messages from this number. Templates have to wait; answer those who write."
    ),
    "template": gettext_noop("Meta does not send this template now: choose another one, or look into its quality."),
    "parameters": gettext_noop("Meta refused what the message contains. Write it again, or check what was filled in."),
    "unknown": gettext_noop("Meta had trouble of its own. Send it again in some minutes."),
    "undeliverable": gettext_noop(
        "The customer cannot be reached: no WhatsApp, an old version of it, or they have blocked you. Call them."
    ),
    "marketing_off": gettext_noop("Marketing templates are switched off for this account."),
    "not_allowed": gettext_noop("This installation may only write to some phones (WITIOP_SENDING_ALLOWED_TO)."),
    "window_closed": gettext_noop("The customer's 24-hour window is over. A template still reaches them."),
    "marketing_limit": gettext_noop(
        "Meta limits how much advertising a customer gets. Try again tomorrow, or with a template of another category."
    ),
    "opted_out": gettext_noop("The customer wants no advertising from you. They can still write, and be answered."),
    "experiment": gettext_noop("Meta withholds advertising from this customer for an experiment. Nothing helps."),
    "media": gettext_noop("Meta could not read the file. Send it again, or as another kind of file."),
    "other": gettext_noop("Meta refused it without a reason that we know."),
    "unconfirmed": gettext_noop("Meta has not answered; it may have arrived."),
    "dropped": gettext_noop(
        "WhatsApp could not deliver it in time and does not try any more; the phone may be out of use."
    ),
    "expired": gettext_noop("It waited too long to be sent, and nobody expects it any more."),
}
"""What a person can do about a message that Meta refused (`domain.sending.graph_errors.GraphError.help`), or that did
not arrive for another reason (`domain.contract.send_help`)."""

WEAKNESS_TEXTS: Mapping[str, str] = {
    "too_short": gettext_noop("the new password is too short: use at least %(shortest)s characters"),
    "too_long": gettext_noop("the new password is too long: use at most %(longest)s characters"),
    "common": gettext_noop("the new password is easy to guess: use a longer one, or words that do not belong together"),
}
"""Why a password is not accepted (`infra.passwords.Weakness`), with its limits to be filled in. A clause like
`REJECTION_TEXTS`."""
