"""Verifies SNS messages: they must be of a configured topic, and signed with a certificate from Amazon.

SNS signs the fields of its envelope (version 1: SHA-1, version 2: SHA-256; Amazon SNS developer guide, "Verifying the
signatures of Amazon SNS messages"). Certificates are fetched only for messages of a configured topic, only from SNS in
the topic's region, and one at a time, because a sender that knows the topic can name any number of them.
"""

import base64
import re
import threading
from collections.abc import Callable, Collection
from typing import Any, Literal
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, build_opener

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from domain.inbound.json_body import InvalidJson, parse

_AMAZON = r"https://sns\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?"
_CERTIFICATE = re.compile(_AMAZON + r"/SimpleNotificationService-[0-9A-Za-z]+\.pem")
_CONFIRMATION = re.compile(_AMAZON + r"/\?[^\s#]+")
FETCH_SECONDS = 2.0
_FETCH_BYTES = 64 * 1024
MAX_BYTES = 512 * 1024
"""Largest envelope. SNS accepts messages of 256 KiB, and the envelope contains the message as an escaped string."""
_CACHED_KEYS = 8
"""Amazon changes its certificate about once a year."""
_AT_ONCE = 8
"""Messages that are verified at a time. Strangers can send any number, and each holds a thread of the webhook."""

_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {"1": hashes.SHA1, "2": hashes.SHA256}

NotificationKind = Literal["notification", "subscribed", "other"]


class NotificationRejected(Exception):
    """The body was not signed by SNS for a configured topic. The message names the problem and quotes nothing of the
    body."""


class NotVerifiedNow(Exception):
    """The message cannot be verified now. The same request may succeed later."""


class CertificateUnavailable(NotVerifiedNow):
    """Amazon did not return the certificate or the confirmation page."""


class TooManyAtOnce(NotVerifiedNow):
    """Too many messages are being verified."""


class Notifications:
    """Verifies SNS messages. Thread-safe.

    `topic_arns`: the configured topics; if empty, every message is rejected. `fetch`: returns the bytes at an address
    of Amazon, raises CertificateUnavailable."""

    def __init__(self, topic_arns: Collection[str], fetch: Callable[[str], bytes] | None = None) -> None:
        self._topic_arns = frozenset(topic_arns)
        self._fetch = fetch or fetch_from_amazon
        self._keys: dict[str, RSAPublicKey] = {}
        self._places = threading.Semaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._parsing = threading.Lock()
        self._fetching = threading.Lock()

    def receive(self, body: bytes) -> NotificationKind:
        """Verifies a body and returns its kind. Confirms a subscription. Raises NotificationRejected, NotVerifiedNow.
        May block for twice FETCH_SECONDS."""
        if len(body) > MAX_BYTES:
            raise NotificationRejected("the body is larger than SNS messages are")
        if not any(topic.encode() in body for topic in self._topic_arns):  # SNS never escapes it; costs no parsing
            raise NotificationRejected("TopicArn is not a configured topic")
        if not self._places.acquire(blocking=False):
            raise TooManyAtOnce("too many messages at once")
        try:
            return self._receive(body)
        finally:
            self._places.release()

    def _receive(self, body: bytes) -> NotificationKind:
        envelope = self._verified(body)
        if envelope["Type"] == "Notification":
            return "notification"
        if envelope["Type"] == "SubscriptionConfirmation":
            self._fetch(_address(envelope, "SubscribeURL", _CONFIRMATION))
            return "subscribed"
        return "other"

    def _verified(self, body: bytes) -> dict[str, Any]:
        try:
            # The sender is not verified yet, and `[{},{},...]` takes 25 times its bytes when parsed: one at a time.
            with self._parsing:
                envelope = parse(body)
        except InvalidJson as error:
            raise NotificationRejected("the body is not valid JSON") from error
        topic = envelope.get("TopicArn") if isinstance(envelope, dict) else None
        if not isinstance(envelope, dict) or not isinstance(topic, str) or topic not in self._topic_arns:
            raise NotificationRejected("TopicArn is not a configured topic")
        names = _SIGNED.get(str(envelope.get("Type")))
        algorithm = _HASHES.get(str(envelope.get("SignatureVersion")))
        if names is None or algorithm is None:
            raise NotificationRejected("Type or SignatureVersion is unknown")
        if not all(isinstance(envelope.get(name), str) for name in names if name != "Subject"):
            raise NotificationRejected("a signed field is missing")
        signed = "".join(f"{name}\n{envelope[name]}\n" for name in names if envelope.get(name) is not None)
        try:
            signature = base64.b64decode(str(envelope.get("Signature")), validate=True)
            key = self._key(_address(envelope, "SigningCertURL", _CERTIFICATE))
            key.verify(signature, signed.encode(), PKCS1v15(), algorithm())
        except (ValueError, InvalidSignature) as error:
            raise NotificationRejected("Signature does not match the message") from error
        return envelope

    def _key(self, address: str) -> RSAPublicKey:
        with self._lock:
            cached = self._keys.get(address)
        if cached is not None:
            return cached
        if not self._fetching.acquire(blocking=False):
            raise CertificateUnavailable("another certificate is being fetched")
        try:
            return self._fetch_key(address)
        finally:
            self._fetching.release()

    def _fetch_key(self, address: str) -> RSAPublicKey:
        try:
            key = x509.load_pem_x509_certificate(self._fetch(address)).public_key()
        except ValueError as error:
            raise CertificateUnavailable("the file at SigningCertURL is not a certificate") from error
        if not isinstance(key, RSAPublicKey):
            raise CertificateUnavailable("the certificate does not contain an RSA key")
        with self._lock:
            if len(self._keys) >= _CACHED_KEYS:
                self._keys.clear()
            self._keys[address] = key
        return key


def _address(envelope: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    address = envelope.get(name)
    match = pattern.fullmatch(address) if isinstance(address, str) else None
    region = str(envelope["TopicArn"]).split(":")[3:4]  # arn:aws:sns:REGION:...
    if not isinstance(address, str) or match is None or [match["region"]] != region:
        raise NotificationRejected(f"{name} is not an address of Amazon SNS in the topic's region")
    return address


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirects: they could leave Amazon."""

    def redirect_request(self, *_: object) -> None:
        return None


def fetch_from_amazon(address: str) -> bytes:
    """Returns the content at an address, up to 64 KiB. Each network step may take FETCH_SECONDS. Raises
    CertificateUnavailable."""
    try:
        with build_opener(_NoRedirects).open(address, timeout=FETCH_SECONDS) as answer:
            content: bytes = answer.read(_FETCH_BYTES)
            return content
    except (URLError, OSError, ValueError) as error:
        raise CertificateUnavailable(type(error).__name__) from error
