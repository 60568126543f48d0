"""Where alarms are sent: webhooks and mails, and which addresses they may have."""

from collections.abc import Callable, Collection
from typing import Literal, NamedTuple, get_args
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from domain.alarms.kinds import AlarmLevel
from domain.directory import Language

ChannelForm = Literal["text", "card", "mail"]
FORMS: tuple[ChannelForm, ...] = get_args(ChannelForm)
"""A webhook that takes a text, one that takes an adaptive card (Microsoft Teams), mails."""
MAX_NAME = 60
_MAX_ADDRESS = 2_000
_MAX_MAILS = 20


class AddressRefused(ValueError):
    """An address is not one that alarms are sent to. The message is a code of `domain.alarms.problems`."""


class AlarmChannel(NamedTuple):
    """A channel as pages show it. `shown`: what they show of its address; `level`: the lowest that it gets; `system`:
    whether it gets alarms that no rule sends to it; `shows_customer`: whether a customer's name and phone may be in
    what it gets."""

    id: UUID
    name: str
    form: ChannelForm
    shown: str
    language: Language
    level: AlarmLevel
    system: bool
    shows_customer: bool


class ChannelSecrets(NamedTuple):
    """Where a channel leads. `address`: the URL of its webhook, or addresses of mails, comma separated; `secret`: signs
    the webhook's body, '' for mails."""

    address: str
    secret: str


def is_name(name: str) -> bool:
    """Returns whether a channel may have this name."""
    return name.isprintable() and name == name.strip() and 1 <= len(name) <= MAX_NAME


def check_address(url: str, private_hosts: Collection[str] = ()) -> SplitResult:
    """Returns the parts of a web address that may be posted to, as far as that can be said without asking for its name:
    https, or http to one of `private_hosts`. Raises AddressRefused."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # as a resolver does: no part of it is empty or too long
    except ValueError:
        raise AddressRefused("not_an_address") from None
    if not url.isascii() or not url.isprintable() or " " in url or not host or port == 0 or len(url) > _MAX_ADDRESS:
        raise AddressRefused("not_an_address")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise AddressRefused("not_an_address")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in private_hosts):
        raise AddressRefused("not_https")
    return parts


def shown_address(form: ChannelForm, typed: str, private_hosts: Collection[str]) -> str:
    """Returns what pages show of an address: of a webhook its host, as the rest of it is a secret."""
    return typed if form == "mail" else check_address(typed, private_hosts).netloc


def normal_address(
    form: ChannelForm, typed: str, private_hosts: Collection[str], mail_address: Callable[[str], str | None]
) -> str:
    """Returns an address that a person typed as it is stored. `mail_address`: returns an email address in its normal
    form, None if it is none. Raises AddressRefused."""
    typed = typed.strip()
    if form != "mail":
        check_address(typed, private_hosts)
        return typed
    parts = [part.strip() for part in typed.replace(";", ",").split(",") if part.strip()]
    found = [mail_address(part) for part in parts[: _MAX_MAILS + 1]]
    if not found or len(found) > _MAX_MAILS or None in found:
        raise AddressRefused("not_mails")
    return ",".join(part for part in found if part is not None)
