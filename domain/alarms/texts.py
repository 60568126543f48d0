"""What an alarm says, and what to do about it: worded once for the console, mails, webhooks and the command line.

English here; these texts are the message ids of the catalogues.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from domain.alarms.kinds import AlarmDetails, AlarmKind, Detail
from domain.contract.texts import gettext_noop

Translate = Callable[[str], str]
"""Returns a text of this module in another language; English is the text itself."""
_UNKNOWN = "–"
"""Stands for a detail that an alarm does not have."""


@dataclass(frozen=True, slots=True)
class AlarmText:
    """`what`: a sentence without its full stop; `cure`: what to do, one or two sentences. Both are filled with the
    alarm's details."""

    what: str
    cure: str


ALARM_TEXTS: Mapping[AlarmKind, AlarmText] = {
    AlarmKind.RULE: AlarmText(
        gettext_noop("Rule %(rule)s asks somebody to look after a customer"),
        gettext_noop("Open the conversation and take care of the customer."),
    ),
    AlarmKind.RULES_STOPPED: AlarmText(
        gettext_noop("All rules are stopped"),
        gettext_noop("Nothing rescues customers at the moment. Switch the rules on again once the reason is mended."),
    ),
    AlarmKind.RULE_LIMIT: AlarmText(
        gettext_noop("Rules have acted %(limit)s times within a minute, and more customers wait for them"),
        gettext_noop("Check whether so many customers really wait, and raise the limit of the rules if they do."),
    ),
    AlarmKind.SILENT_WHATSAPP: AlarmText(
        gettext_noop("Nothing has come from WhatsApp for %(minutes)s minutes during opening hours"),
        gettext_noop(
            "Send a message to the number yourself. If it does not appear, check the webhook in Meta's App Dashboard, "
            "the proxy in front of it, and its log."
        ),
    ),
    AlarmKind.NOBODY_READY: AlarmText(
        gettext_noop("Nobody is ready during the opening hours of %(numbers)s"),
        gettext_noop("Ask an agent to set themselves to ready, or change the opening hours."),
    ),
    AlarmKind.LAG: AlarmText(
        gettext_noop("Incoming messages are processed %(minutes)s minutes late"),
        gettext_noop("Check that the process conversations and the brokers are running, and run witiop doctor."),
    ),
    AlarmKind.OUTBOX_STUCK: AlarmText(
        gettext_noop("Events have not been published for %(minutes)s minutes"),
        gettext_noop("Check that the process relay is running and reaches the brokers."),
    ),
    AlarmKind.TIMER_HELD: AlarmText(
        gettext_noop("Conversations are not closed at the end of their window: %(minutes)s minutes late"),
        gettext_noop(
            "Check that the process timer is running; it waits for incoming messages that are processed late."
        ),
    ),
    AlarmKind.ROUTING_HELD: AlarmText(
        gettext_noop("Reservations and offers do not end in time: %(minutes)s minutes late"),
        gettext_noop("Check that the process routing is running; it waits for messages that are processed late."),
    ),
    AlarmKind.PARKED: AlarmText(
        gettext_noop("The process %(worker)s cannot process some items: %(count)s"),
        gettext_noop("It tries again every ten minutes. Run witiop doctor, and look the reason up in the runbook."),
    ),
    AlarmKind.RESTORE_HELD: AlarmText(
        gettext_noop("The database was restored, and what may have been done already is held: %(count)s"),
        gettext_noop("Look at witiop restore list, and decide with witiop restore confirm."),
    ),
    AlarmKind.STANDBY_AWAY: AlarmText(
        gettext_noop("The database waits for a standby that is away, and nothing is stored: %(count)s missing"),
        gettext_noop(
            "Start the standby. If that takes long, let the database go on without it; docs/runbook.md says how."
        ),
    ),
    AlarmKind.DEAD_LETTERS: AlarmText(
        gettext_noop("Records that could not be processed wait for a decision: %(count)s"),
        gettext_noop("Look at witiop dead-letters list; mend the cause, then run witiop dead-letters replay."),
    ),
    AlarmKind.UNKNOWN_SENDS: AlarmText(
        gettext_noop("Messages of which nobody knows whether they were sent: %(count)s"),
        gettext_noop("Decide about them on the page Unconfirmed messages."),
    ),
    AlarmKind.SENDS_STUCK: AlarmText(
        gettext_noop("Messages to customers have waited for %(minutes)s minutes"),
        gettext_noop("Check that the process sender is running, and see the page Numbers for pauses."),
    ),
    AlarmKind.NUMBER_PAUSED: AlarmText(
        gettext_noop("The number %(number)s sends nothing now: %(reason)s"),
        gettext_noop("The page Numbers says until when, and what to do."),
    ),
    AlarmKind.NUMBER_QUALITY: AlarmText(
        gettext_noop("Meta rates the quality of the number %(number)s as low"),
        gettext_noop("Send fewer or better templates from it: Meta lowers its limit otherwise."),
    ),
    AlarmKind.TEMPLATE_PAUSED: AlarmText(
        gettext_noop("Meta does not send the template %(template)s any more (%(status)s)"),
        gettext_noop("Look at its quality in the WhatsApp Manager, and use another template meanwhile."),
    ),
    AlarmKind.TOKEN_REFUSED: AlarmText(
        gettext_noop("Meta refuses the access token, or cannot be asked about the account %(account)s"),
        gettext_noop(
            "Create a token of the system user, set WITIOP_WHATSAPP_ACCESS_TOKEN, and start the sender again."
        ),
    ),
    AlarmKind.ACCOUNT_RESTRICTED: AlarmText(
        gettext_noop("Meta restricts the account %(account)s: %(restriction)s"),
        gettext_noop("Look at the account's quality in the WhatsApp Manager, and appeal there."),
    ),
    AlarmKind.UNKNOWN_MAILS: AlarmText(
        gettext_noop("Mails of which nobody knows whether they were sent: %(count)s"),
        gettext_noop("Look at witiop mails list --state unknown, and resend those that did not arrive."),
    ),
    AlarmKind.MAIL_PAUSED: AlarmText(
        gettext_noop("Amazon SES has accepted no mail for %(minutes)s minutes (%(reason)s)"),
        gettext_noop(
            "Check that the process mails is running, the key, the quota, and whether SES paused the account."
        ),
    ),
    AlarmKind.CAMPAIGN_PAUSED: AlarmText(
        gettext_noop("The campaign %(campaign)s paused itself (%(reason)s)"),
        gettext_noop("Its page says why. Mend the cause, then resume it."),
    ),
    AlarmKind.RUNNING_OUT: AlarmText(
        gettext_noop("Customers that nobody takes care of, with less than %(minutes)s minutes left: %(count)s"),
        gettext_noop("Open the list and answer or transfer them."),
    ),
    AlarmKind.TEST: AlarmText(
        gettext_noop("A test of the channel %(channel)s"),
        gettext_noop("Nothing to do: %(actor)s asked for this test."),
    ),
}


@dataclass(frozen=True, slots=True)
class AlarmWords:
    """An alarm in a person's language, filled in."""

    what: str
    cure: str


def say(kind: AlarmKind, details: AlarmDetails, translate: Translate = str) -> AlarmWords:
    """Returns what an alarm says. A detail that is missing is a dash: an alarm is never silent."""
    values: Mapping[str, Detail] = defaultdict(lambda: _UNKNOWN, details)
    text = ALARM_TEXTS[kind]
    return AlarmWords(translate(text.what) % values, translate(text.cure) % values)
