"""Which notifications of SNS are believed: signed with a certificate that Amazon hands out, of a topic that is ours.

SNS signs the fields of its envelope (versions 1: SHA-1, 2: SHA-256; Amazon SNS developer guide, "Verifying the
signatures of Amazon SNS messages"). Nothing is fetched for a message of another topic or from another host than that of
the topic's region; and one thing at a time, as whoever knows the topic can name certificates without end.
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
"""Of one notification. SNS takes messages of 256 KiB; in its envelope a message is a JSON text, escaped."""
_CERTIFICATES = 8
"""Kept; Amazon changes its own about once a year."""

_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {"1": hashes.SHA1, "2": hashes.SHA256}

NotificationKind = Literal["notification", "subscribed", "other"]


class NotificationRejected(Exception):
    """Not signed by SNS for a topic of ours. The message says what is wrong and nothing of what was sent."""


class CertificateUnavailable(Exception):
    """Amazon did not hand out what is needed to tell; the same again may work."""


class Notifications:
    """Thread-safe. `topic_arns`: ours, none believes nobody; `fetch`: the bytes at an address of Amazon, raises
    NotFetched."""

    def __init__(self, topic_arns: Collection[str], fetch: Callable[[str], bytes] | None = None) -> None:
        self._topic_arns = frozenset(topic_arns)
        self._fetch = fetch or fetch_from_amazon
        self._keys: dict[str, RSAPublicKey] = {}
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._fetching = threading.Lock()

    def receive(self, body: bytes) -> NotificationKind:
        """What a body is, once it is believed: a notification, or the question whether we subscribed, which is answered
        here. Raises NotBelieved, NotFetched; may block for twice FETCH_SECONDS."""
        envelope = self._believed(body)
        if envelope["Type"] == "Notification":
            return "notification"
        if envelope["Type"] == "SubscriptionConfirmation":
            self._fetch(_address(envelope, "SubscribeURL", _CONFIRMATION))
            return "subscribed"
        return "other"

    def _believed(self, body: bytes) -> dict[str, Any]:
        if len(body) > MAX_BYTES:
            raise NotificationRejected("larger than what SNS sends")
        try:
            with self._reading:  # whoever sent it proved nothing yet: `[{},{},...]` takes 25 times its bytes, but once
                envelope = parse(body)
        except InvalidJson as error:
            raise NotificationRejected("no JSON") from error
        if not isinstance(envelope, dict) or envelope.get("TopicArn") not in self._topic_arns:
            raise NotificationRejected("TopicArn is none of ours")
        names = _SIGNED.get(str(envelope.get("Type")))
        algorithm = _HASHES.get(str(envelope.get("SignatureVersion")))
        if names is None or algorithm is None:
            raise NotificationRejected("Type or SignatureVersion is not known")
        if not all(isinstance(envelope.get(name), str) for name in names if name != "Subject"):
            raise NotificationRejected("a signed field is missing")
        signed = "".join(f"{name}\n{envelope[name]}\n" for name in names if envelope.get(name) is not None)
        try:
            signature = base64.b64decode(str(envelope.get("Signature")), validate=True)
            key = self._key(_address(envelope, "SigningCertURL", _CERTIFICATE))
            key.verify(signature, signed.encode(), PKCS1v15(), algorithm())
        except (ValueError, InvalidSignature) as error:
            raise NotificationRejected("Signature does not fit") from error
        return envelope

    def _key(self, address: str) -> RSAPublicKey:
        with self._lock:
            known = self._keys.get(address)
        if known is not None:
            return known
        if not self._fetching.acquire(blocking=False):
            raise CertificateUnavailable("another certificate is being fetched")
        try:
            return self._fetched_key(address)
        finally:
            self._fetching.release()

    def _fetched_key(self, address: str) -> RSAPublicKey:
        try:
            key = x509.load_pem_x509_certificate(self._fetch(address)).public_key()
        except ValueError as error:
            raise CertificateUnavailable("what SigningCertURL names is no certificate") from error
        if not isinstance(key, RSAPublicKey):
            raise CertificateUnavailable("the certificate holds no RSA key")
        with self._lock:
            if len(self._keys) >= _CERTIFICATES:
                self._keys.clear()
            self._keys[address] = key
        return key


def _address(envelope: dict[str, Any], name: str, like: re.Pattern[str]) -> str:
    address = envelope.get(name)
    found = like.fullmatch(address) if isinstance(address, str) else None
    region = str(envelope["TopicArn"]).split(":")[3:4]  # arn:aws:sns:REGION:...
    if not isinstance(address, str) or found is None or [found["region"]] != region:
        raise NotificationRejected(f"{name} is no address of Amazon SNS in the topic's region")
    return address


class _Stay(HTTPRedirectHandler):
    """An address of Amazon is not left for another one."""

    def redirect_request(self, *_: object) -> None:
        return None


def fetch_from_amazon(address: str) -> bytes:
    """What stands at an address, within FETCH_SECONDS for each step. Raises NotFetched."""
    try:
        with build_opener(_Stay).open(address, timeout=FETCH_SECONDS) as answer:
            content: bytes = answer.read(_FETCH_BYTES)
            return content
    except (URLError, OSError, ValueError) as error:
        raise CertificateUnavailable(type(error).__name__) from error
