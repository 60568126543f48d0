"""Checks the SES account and configuration for `witiop doctor`."""

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
"""The event types that the configuration set must publish. Without them nothing settles unknown outcomes."""
_QUOTA_WARNING = 0.9
"""The used share of the daily quota from which a warning is due."""
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedException")


class SesUnreachable(Exception):
    """SES did not answer, or answered with an unexpected error."""


@dataclass(frozen=True, slots=True)
class ExpectedSes:
    """The installation's settings for SES. `topic_arns`: those that /webhooks/ses accepts; `per_second`: mails."""

    configuration_set: str
    sender: str
    topic_arns: Collection[str]
    per_second: float


def findings(access: SesAccess, wanted: ExpectedSes) -> Iterator[tuple[str, str]]:
    """Yields each problem with its fix. A request that the key is not allowed to make is one problem; the other checks
    still run. Raises SesUnreachable."""
    client = access.client()
    for check in (_configuration_set, _events, _sender, _account):
        try:
            yield from check(client, wanted)
        except ClientError as error:
            code = error.response["Error"].get("Code") or "an error without a code"
            if code not in _DENIED:
                raise SesUnreachable(f"{error.operation_name}: {code}") from error
            what = f"the key is not allowed to call {error.operation_name}, so this was not checked"
            yield what, f"allow the key ses:{error.operation_name}"
        except BotoCoreError as error:
            raise SesUnreachable(type(error).__name__) from error


def _configuration_set(client: "SESV2Client", wanted: ExpectedSes) -> Iterator[tuple[str, str]]:
    name = wanted.configuration_set
    found = _found(partial(client.get_configuration_set, ConfigurationSetName=name))
    if found is None:
        yield f"there is no configuration set {name}", "create it, with SNS as its event destination"
    elif not found.get("SendingOptions", {}).get("SendingEnabled", True):
        yield f"sending is off for the configuration set {name}", "turn it on in SES"


def _events(client: "SESV2Client", wanted: ExpectedSes) -> Iterator[tuple[str, str]]:
    name = wanted.configuration_set
    found = _found(partial(client.get_configuration_set_event_destinations, ConfigurationSetName=name))
    if found is None:
        return  # `_configuration_set` reports that it is missing
    published: dict[str, set[str]] = {}
    for each in found.get("EventDestinations", []):
        if each.get("Enabled") and "SnsDestination" in each:
            published.setdefault(each["SnsDestination"]["TopicArn"], set()).update(each["MatchingEventTypes"])
    if not published:
        fix = "add the SNS topic that posts to /webhooks/ses as an event destination, and enable it"
        yield f"the configuration set {name} publishes no mail events to SNS", fix
        return
    accepted = published.keys() & set(wanted.topic_arns)
    if not accepted:
        what = f"events go to {', '.join(sorted(published))}, which /webhooks/ses does not accept"
        yield what, "add the topic to WITIOP_SES_TOPIC_ARNS"
        return
    missing = EVENTS - {event for topic in accepted for event in published[topic]}
    if missing:
        what = f"the configuration set {name} does not publish {', '.join(sorted(missing))}"
        yield what, "select these events in its event destination"


def _sender(client: "SESV2Client", wanted: ExpectedSes) -> Iterator[tuple[str, str]]:
    # a verified domain covers its subdomains too
    labels = wanted.sender.rpartition("@")[2].split(".")
    names = [wanted.sender, *(".".join(labels[start:]) for start in range(len(labels) - 1))]
    identities = [_found(partial(client.get_email_identity, EmailIdentity=name)) for name in names]
    if not any(identity is not None and identity["VerifiedForSendingStatus"] for identity in identities):
        yield "neither the sender's address nor its domain is verified", "verify one of them in SES"


def _account(client: "SESV2Client", wanted: ExpectedSes) -> Iterator[tuple[str, str]]:
    account = client.get_account()
    if not account["SendingEnabled"]:
        yield "sending is off for the whole account", "see the reason in Amazon's console, and turn it on"
    if account["EnforcementStatus"] != "HEALTHY":
        yield f"Amazon has set the account to {account['EnforcementStatus']}", "see Amazon's mail about it"
    if not account["ProductionAccessEnabled"]:
        yield "the account is in the sandbox: only verified addresses get mails", "ask Amazon for production access"
    quota = account["SendQuota"]
    if wanted.per_second > quota["MaxSendRate"]:
        what = f"SES accepts {quota['MaxSendRate']:g} mails a second, WITIOP_SES_RATE is {wanted.per_second:g}"
        yield what, "lower WITIOP_SES_RATE; it applies to each mails process, so their sum counts"
    if quota["SentLast24Hours"] >= _QUOTA_WARNING * quota["Max24HourSend"] >= 0:  # -1: unlimited
        what = f"{quota['SentLast24Hours']:,.0f} of the {quota['Max24HourSend']:,.0f} mails of a day are used"
        yield what, "ask Amazon for a higher quota; further mails wait"


def _found(ask: Callable[[], Any]) -> Any | None:  # noqa: ANN401 - one of boto3's typed dictionaries
    """Returns the response, or None if SES has nothing of that name. Raises botocore's errors."""
    try:
        return ask()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
            return None
        raise
