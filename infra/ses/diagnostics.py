"""What SES itself lacks for our mails: for `witiop doctor`."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.ses.mailer import SesAccess

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

EVENTS = frozenset({"SEND", "REJECT", "DELIVERY", "BOUNCE", "COMPLAINT"})
"""What our mails need to be told of: without them nothing settles what is unknown."""
_NEARLY_ALL = 0.9
"""Of the quota of a day."""
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedException")


class SesUnreachable(Exception):
    """No answer, or one that says nothing about what was asked."""


@dataclass(frozen=True, slots=True)
class ExpectedSes:
    """What the installation is set to use. `topic_arns`: those that /webhooks/ses believes; `per_second`: mails."""

    configuration_set: str
    sender: str
    topic_arns: Collection[str]
    per_second: float


def findings(access: SesAccess, wanted: ExpectedSes) -> Iterator[tuple[str, str]]:
    """What is wrong, each with its cure. What the key may not read is one finding, and the rest is still looked at.
    Raises SesAway."""
    client = access.client()
    for look in (_configuration_set, _events, _sender, _account):
        try:
            yield from look(client, wanted)
        except ClientError as error:
            code = error.response["Error"].get("Code") or "an error without a code"
            if code not in _DENIED:
                raise SesUnreachable(f"{error.operation_name}: {code}") from error
            what = f"the key may not {error.operation_name}, so that was not looked at"
            yield what, f"allow it ses:{error.operation_name}"
        except BotoCoreError as error:
            raise SesUnreachable(type(error).__name__) from error


def _configuration_set(client: "SESV2Client", wanted: ExpectedSes) -> Iterator[tuple[str, str]]:
    name = wanted.configuration_set
    found = _found(partial(client.get_configuration_set, ConfigurationSetName=name))
    if found is None:
        yield f"there is no configuration set {name}", "make it, with SNS as its event destination"
    elif not found.get("SendingOptions", {}).get("SendingEnabled", True):
        yield f"sending is off for the configuration set {name}", "turn it on at SES"


def _events(client: "SESV2Client", wanted: ExpectedSes) -> Iterator[tuple[str, str]]:
    name = wanted.configuration_set
    found = _found(partial(client.get_configuration_set_event_destinations, ConfigurationSetName=name))
    if found is None:
        return  # no such configuration set
    told: dict[str, set[str]] = {}
    for each in found.get("EventDestinations", []):
        if each.get("Enabled") and "SnsDestination" in each:
            told.setdefault(each["SnsDestination"]["TopicArn"], set()).update(each["MatchingEventTypes"])
    if not told:
        cure = "add the SNS topic that posts to /webhooks/ses as an event destination, enabled"
        yield f"the configuration set {name} tells no SNS topic what becomes of mails", cure
        return
    believed = told.keys() & set(wanted.topic_arns)
    if not believed:
        yield (
            f"events go to {', '.join(sorted(told))}, which /webhooks/ses does not believe",
            ("name it in WITIOP_SES_TOPIC_ARNS"),
        )
        return
    missing = EVENTS - {event for topic in believed for event in told[topic]}
    if missing:
        what = f"the configuration set {name} does not tell of {', '.join(sorted(missing))}"
        yield what, "select these events in its event destination"


def _sender(client: "SESV2Client", wanted: ExpectedSes) -> Iterator[tuple[str, str]]:
    """A domain stands for the domains below it too."""
    labels = wanted.sender.rpartition("@")[2].split(".")
    names = [wanted.sender, *(".".join(labels[place:]) for place in range(len(labels) - 1))]
    identities = [_found(partial(client.get_email_identity, EmailIdentity=name)) for name in names]
    if not any(identity is not None and identity["VerifiedForSendingStatus"] for identity in identities):
        yield "neither the sender's address nor its domain is verified", "verify one of them at SES"


def _account(client: "SESV2Client", wanted: ExpectedSes) -> Iterator[tuple[str, str]]:
    account = client.get_account()
    if not account["SendingEnabled"]:
        yield "sending is off for the whole account", "see in Amazon's console why, and turn it on"
    if account["EnforcementStatus"] != "HEALTHY":
        yield f"Amazon has put the account under {account['EnforcementStatus']}", "see Amazon's mail about it"
    if not account["ProductionAccessEnabled"]:
        yield "the account is in the sandbox: only verified addresses get mails", "ask Amazon for production access"
    quota = account["SendQuota"]
    if wanted.per_second > quota["MaxSendRate"]:
        what = f"it takes {quota['MaxSendRate']:g} mails a second, WITIOP_SES_RATE is {wanted.per_second:g}"
        yield what, "lower WITIOP_SES_RATE, and count every mails process"
    if quota["SentLast24Hours"] >= _NEARLY_ALL * quota["Max24HourSend"] >= 0:  # -1: without end
        what = f"{quota['SentLast24Hours']:,.0f} of the {quota['Max24HourSend']:,.0f} mails of a day are used"
        yield what, "ask Amazon for a higher quota; what is above it waits"


def _found(ask: Callable[[], Any]) -> Any | None:  # noqa: ANN401 - one of boto3's typed dictionaries
    """The answer; None where SES knows nothing of that name. Raises botocore's errors."""
    try:
        return ask()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
            return None
        raise
