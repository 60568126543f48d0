"""Posting to SES with boto3: one attempt per call, and an honest word about how it ended (domain.md, *Mail*).

boto3 by default repeats a SendEmail whose answer got lost, and SES knows no repeats: five posts were seen.
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

_NOBODY_REACHED = (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)
_LATER = {
    # too much at a time, or in a day
    *("TooManyRequestsException", "Throttling", "ThrottlingException", "RequestLimitExceeded"),
    # the key or the clock: an administrator mends it, and no mail is lost meanwhile
    *("ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"),
    *("InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed"),
    # somebody stopped all sending
    "SendingPausedException",
}
"""SES looked at no mail: certainly not sent, and the same again may work."""

log = structlog.get_logger("ses")


@dataclass(frozen=True, slots=True)
class SesAccess:
    """How SES is reached. `endpoint` None: Amazon's own address; `key` None: as AWS's own programs find it."""

    region: str
    endpoint: str | None = None
    key: tuple[str, str] | None = field(default=None, repr=False)
    read_seconds: float = READ_SECONDS

    def client(self) -> "SESV2Client":
        """One that never repeats a request by itself."""
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
    """A `domain.mail.Mailer`. The configuration set has to send its events to our webhook: they settle what is
    unknown."""

    def __init__(self, access: SesAccess, configuration_set: str) -> None:
        self._client = access.client()
        self._configuration_set = configuration_set

    def post(self, mail: UUID, body: bytes) -> AttemptOutcome:
        """See the port; blocks for at most about 13 s. The headers of the body name sender and recipients."""
        try:
            answer = self._client.send_email(
                Content={"Raw": {"Data": body}},
                ConfigurationSetName=self._configuration_set,
                EmailTags=[{"Name": TAG, "Value": str(mail)}],
            )
        except ClientError as error:
            return _answered(error)
        except _NOBODY_REACHED as error:
            return TransientFailure(type(error).__name__)
        except ParamValidationError as error:
            return PermanentFailure(type(error).__name__)
        except (BotoCoreError, HTTPClientError) as error:
            return OutcomeUnknown(type(error).__name__)
        message_id = answer.get("MessageId")
        return Accepted(message_id) if message_id else OutcomeUnknown("an answer without MessageId")


def _answered(error: ClientError) -> AttemptOutcome:
    """SES said no, or something that is neither yes nor no."""
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    code = error.response["Error"].get("Code", "")
    reason = f"{status} {code}"
    log.warning("ses.refused", status=status, code=code)
    if status == 429 or code in _LATER:
        return TransientFailure(reason)
    return PermanentFailure(reason) if 400 <= status < 500 else OutcomeUnknown(reason)
