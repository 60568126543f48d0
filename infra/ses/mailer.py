"""Sends mails through SES with boto3: one attempt per call, with an outcome that is never guessed (domain.md, *Mail*).

By default boto3 repeats a SendEmail whose answer was lost, and SES cannot recognise repeats: up to five copies of a
mail were observed.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProxyConnectionError,
)

from domain.attempts import Accepted, AttemptOutcome, OutcomeUnknown, PermanentFailure, TransientFailure
from domain.inbound.ses_events import TAG

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

CONNECT_SECONDS, READ_SECONDS = 3, 10

_NOT_SENT = (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)
_TRANSIENT_CODES = {
    # the rate or the daily quota was exceeded
    *("TooManyRequestsException", "Throttling", "ThrottlingException", "RequestLimitExceeded"),
    # the key or the clock is wrong: an administrator can fix it, and no mail is lost meanwhile
    *("ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"),
    *("InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed"),
    # sending was paused for the account
    "SendingPausedException",
}
"""SES rejected the request before it looked at the mail: it was certainly not sent, and may be sent later."""

log = structlog.get_logger("ses")


@dataclass(frozen=True, slots=True)
class SesAccess:
    """How to reach SES. `endpoint`: None for Amazon's own. `key`: (id, secret); None for AWS's default credential
    chain."""

    region: str
    endpoint: str | None = None
    key: tuple[str, str] | None = field(default=None, repr=False)
    read_seconds: float = READ_SECONDS

    def client(self) -> "SESV2Client":
        """Returns a client that never repeats a request automatically."""
        config = Config(
            region_name=self.region,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=self.read_seconds,
            retries={"total_max_attempts": 1},
        )
        key_id, secret = self.key or (None, None)
        session = boto3.Session(aws_access_key_id=key_id, aws_secret_access_key=secret)
        return session.client("sesv2", endpoint_url=self.endpoint, config=config)


class SesMailer:
    """A `domain.mail.Mailer`. The configuration set must send its events to our webhook: they settle unknown
    outcomes."""

    def __init__(self, access: SesAccess, configuration_set: str) -> None:
        self._client = access.client()
        self._configuration_set = configuration_set

    def post(self, mail: UUID, body: bytes) -> AttemptOutcome:
        """See the port. Blocks for about 13 s at most. Sender and recipients are those of the mail's headers."""
        try:
            answer = self._client.send_email(
                Content={"Raw": {"Data": body}},
                ConfigurationSetName=self._configuration_set,
                EmailTags=[{"Name": TAG, "Value": str(mail)}],
            )
        except ClientError as error:
            return _outcome(error)
        except _NOT_SENT as error:
            return TransientFailure(type(error).__name__)
        except ParamValidationError as error:
            return PermanentFailure(type(error).__name__)
        except (BotoCoreError, HTTPClientError) as error:
            return OutcomeUnknown(type(error).__name__)
        message_id = answer.get("MessageId")
        return Accepted(message_id) if message_id else OutcomeUnknown("a response without MessageId")


def _outcome(error: ClientError) -> AttemptOutcome:
    """Classifies an error response: not sent for now, not sent for good, or unknown."""
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    code = error.response["Error"].get("Code", "")
    reason = f"{status} {code}"
    log.warning("ses.not_accepted", status=status, code=code)
    if status == 429 or code in _TRANSIENT_CODES:
        return TransientFailure(reason)
    return PermanentFailure(reason) if 400 <= status < 500 else OutcomeUnknown(reason)
