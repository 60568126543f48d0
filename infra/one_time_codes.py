"""Second factors: codes of an authenticator app (RFC 6238) and recovery codes; and one-time passwords. All secrets are
drawn at random."""

import hashlib
import hmac
import re
import secrets
from datetime import datetime
from urllib.parse import quote

import pyotp
import segno

RECOVERY_CODES = 10
"""How many recovery codes a person gets at a time."""
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without characters that are taken for each other."""
_STEP_SECONDS, _DIGITS = 30, 6
_DRIFT_STEPS = 1
"""How many steps a phone's clock may be off, either way."""


def new_secret() -> str:
    """Returns a new secret for an authenticator app, in base32; 160 bits, as RFC 4226 recommends."""
    return pyotp.random_base32(32)


def accepted_step(secret: str, code: str, at: datetime, after_step: int) -> int | None:
    """Returns the step of a code of an authenticator app; None: it is wrong, or not later than `after_step`, the step
    of the latest code that was accepted. So a code counts once, also for who looked over a shoulder."""
    given = re.sub(r"\s", "", code)
    if not (len(given) == _DIGITS and given.isascii() and given.isdecimal()):
        return None
    now = int(at.timestamp()) // _STEP_SECONDS
    totp = pyotp.TOTP(secret, digits=_DIGITS, interval=_STEP_SECONDS)
    found = None
    for step in range(now - _DRIFT_STEPS, now + _DRIFT_STEPS + 1):
        if hmac.compare_digest(totp.generate_otp(step), given) and step > after_step:
            found = step
    return found


def enrolment_svg(secret: str, name: str, issuer: str) -> str:
    """Returns the QR code by which an authenticator app learns a secret, as SVG without styles: dark modules on light
    ones, because few apps read the inverse. `issuer`: what the app shows beside the name."""
    label = quote(f"{issuer}:{name}", safe="")
    address = f"otpauth://totp/{label}?secret={secret}&issuer={quote(issuer, safe='')}"
    code = segno.make(address, error="m", micro=False)
    return str(code.svg_inline(scale=4, border=4, dark="#000", light="#fff", svgclass=None, lineclass=None))


def new_recovery_codes() -> list[str]:
    """Returns new recovery codes: each has 59 bits, so nobody guesses one as long as attempts are limited."""
    return [_groups(2, 6) for _ in range(RECOVERY_CODES)]


def recovery_hash(code: str) -> bytes:
    """Returns the hash under which a recovery code is stored. What people type differently is the same code."""
    return hashlib.sha256(re.sub(r"[^a-z0-9]", "", code.lower()).encode()).digest()


def one_time_password() -> str:
    """Returns a password for one sign-in; 99 bits."""
    return _groups(4, 5)


def _groups(groups: int, length: int) -> str:
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(length)) for _ in range(groups))
