"""Business accounts and their phone numbers as Meta reports them. Every phone number id is accepted."""

from collections.abc import Mapping, Sequence
from typing import Any

from infra.local.simulator.bodies import BusinessNumber

ACCOUNT = "550100000000000"
"""The account of numbers that were not named at the start."""
THROUGHPUT, PEOPLE = 80, 100_000
"""Messages per second of a number, and people per 24 hours, unless switches change them."""
_MOST_NUMBERS = 10_000
_DEFAULT_FIELDS = ("verified_name", "code_verification_status", "display_phone_number", "quality_rating")
_APP = {"id": "550000000000001", "name": "WitiOp", "link": "https://www.facebook.com/games/?app_id=550000000000001"}


class BusinessAccounts:
    """`numbers`: those that exist from the start. Others exist as soon as they are used."""

    def __init__(self, numbers: Sequence[BusinessNumber] = ()) -> None:
        self._numbers = {number.phone_number_id: number for number in numbers}
        self._unsubscribed: set[str] = set()

    def number(self, phone_number_id: str) -> BusinessNumber:
        """Returns the number with this id."""
        known = self._numbers.get(phone_number_id)
        if known is None:
            known = BusinessNumber(phone_number_id, f"+999 {phone_number_id[-10:]:0>10}", ACCOUNT)
            if len(self._numbers) < _MOST_NUMBERS:
                self._numbers[phone_number_id] = known
        return known

    def account_ids(self) -> set[str]:
        """Returns the accounts that have a number."""
        return {number.account_id for number in self._numbers.values()} or {ACCOUNT}

    def list_numbers(self, account_id: str, fields: str, throughput: int, people: int) -> dict[str, Any]:
        """Returns the answer of `GET /{account}/phone_numbers`."""
        own = [number for number in self._numbers.values() if number.account_id == account_id]
        return {"data": [_described(number, fields, throughput, people) for number in own]}

    def describe(self, phone_number_id: str, fields: str, throughput: int, people: int) -> dict[str, Any]:
        """Returns the answer of `GET /{phone_number_id}`. `fields`: names with commas between; empty for the usual."""
        return _described(self.number(phone_number_id), fields, throughput, people)

    def subscriptions(self, account_id: str) -> dict[str, Any]:
        """Returns the apps that get the webhooks of an account."""
        apps = [] if account_id in self._unsubscribed else [{"whatsapp_business_api_data": _APP}]
        return {"data": apps}

    def subscribe(self, account_id: str, *, wanted: bool) -> dict[str, Any]:
        """Subscribes our app to an account, or ends the subscription: then nothing is reported for its numbers."""
        (self._unsubscribed.discard if wanted else self._unsubscribed.add)(account_id)
        return {"success": True}

    def is_subscribed(self, account_id: str) -> bool:
        """Whether webhooks of this account are posted."""
        return account_id not in self._unsubscribed


def digits_of(number: BusinessNumber) -> str:
    """Returns the digits of a business number."""
    return "".join(filter(str.isdigit, number.display))


def _described(number: BusinessNumber, fields: str, throughput: int, people: int) -> dict[str, Any]:
    tier = f"TIER_{people // 1000}K" if people % 1000 == 0 else f"TIER_{people}"
    known: Mapping[str, Any] = {
        "verified_name": "Cicli Zefiro",
        "display_phone_number": number.display,
        "quality_rating": "GREEN",
        "code_verification_status": "VERIFIED",
        "name_status": "APPROVED",
        "status": "CONNECTED",
        "platform_type": "CLOUD_API",
        "account_mode": "LIVE",
        "is_official_business_account": False,
        # Meta names only the level; the number lets tests choose rates between the two.
        "throughput": {"level": "STANDARD" if throughput <= THROUGHPUT else "HIGH", "messages_per_second": throughput},
        "messaging_limit_tier": tier,
        "whatsapp_business_manager_messaging_limit": tier,
    }
    names = [name.strip() for name in fields.split(",") if name.strip()] or _DEFAULT_FIELDS
    return {**{name: known[name] for name in names if name in known}, "id": number.phone_number_id}
