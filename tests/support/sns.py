"""Amazon SNS messages, signed with a key of the tests."""

import base64
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

ARN = "arn:aws:sns:eu-west-1:123456789012:mails"
HOST = "sns.eu-west-1.amazonaws.com"
CERTIFICATE = f"https://{HOST}/SimpleNotificationService-abc123.pem"
_TIME = "2026-07-01T12:00:00.000Z"


@cache
def key() -> rsa.RSAPrivateKey:
    """Returns the signing key, created once per session."""
    return rsa.generate_private_key(65537, 2048)


@cache
def certificate() -> bytes:
    """Returns the certificate of that key, as PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key().public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def signed(envelope: dict[str, Any], version: str = "2") -> dict[str, Any]:
    """Returns the envelope with a signature, as described in SNS's developer guide."""
    fields = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{field}\n{envelope[field]}\n" for field in fields if field in envelope)
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
    signature = key().sign(text.encode(), padding.PKCS1v15(), algorithm)
    return {
        **envelope,
        "SignatureVersion": version,
        "Signature": base64.b64encode(signature).decode(),
        "SigningCertURL": CERTIFICATE,
    }


def notification(message: str, **fields: Any) -> dict[str, Any]:
    """Returns an unsigned notification."""
    envelope = {"Type": "Notification", "MessageId": "m1", "TopicArn": ARN, "Message": message, "Timestamp": _TIME}
    return envelope | fields


def subscription() -> dict[str, Any]:
    """Returns an unsigned request to confirm a subscription."""
    url = f"https://{HOST}/?Action=ConfirmSubscription&Token=t"
    return notification("You chose", Type="SubscriptionConfirmation", SubscribeURL=url, Token="t")


def ses_event(kind: str, mail: UUID, **part: Any) -> str:
    """Returns an SES event about a mail, in the form that configuration sets publish."""
    tags = {"ses:configuration-set": ["witiop"], "witiop_mail": [str(mail)]}
    name = kind[:1].lower() + kind[1:]
    about = {"timestamp": _TIME, "messageId": "x", "destination": ["a@example.com"], "tags": tags}
    return json.dumps({"eventType": kind, "mail": about, name: part})
