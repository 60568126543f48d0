"""What SES itself lacks for our mails: for `witiop doctor`."""

from collections.abc import Callable, Iterator
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from infra.ses.mailer import SesAccess


class SesAway(Exception):
    """No answer, or one that says nothing about what was asked."""


def lacking(access: SesAccess, configuration_set: str, sender: str) -> Iterator[tuple[str, str]]:
    """What is wrong, each with its cure. Without the configuration set nothing can be posted, and no event of SES would
    settle what is unknown. Raises SesAway."""
    client = access.client()
    if not _is_there(partial(client.get_configuration_set, ConfigurationSetName=configuration_set)):
        yield f"there is no configuration set {configuration_set}", "make it, with SNS as its event destination"
    names = (sender, sender.rpartition("@")[2])
    if not any(_is_there(partial(client.get_email_identity, EmailIdentity=name)) for name in names):
        yield "neither the sender's address nor its domain is verified", "verify one of them at SES"


def _is_there(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except ClientError as error:
        if error.response["Error"].get("Code") == "NotFoundException":
            return False
        raise SesAway(error.response["Error"].get("Code", "an error without a code")) from error
    except BotoCoreError as error:
        raise SesAway(type(error).__name__) from error
    return True
