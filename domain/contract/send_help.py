"""What a person can do about a message to a customer that did not arrive or waits, and about a number that is paused,
by its key in `domain.contract.texts.SEND_HELP_TEXTS`."""

import re

from domain.contract.texts import SEND_HELP_TEXTS
from domain.sending.graph_errors import answer_error, status_error
from domain.sending.sends import NOT_ALLOWED, OPTED_OUT, WAITING, WINDOW_CLOSED, Send

_WHY_EXPIRED = {WINDOW_CLOSED: "window_closed", NOT_ALLOWED: "not_allowed", OPTED_OUT: "opted_out"}
_ERROR = re.compile(r"Meta's error (\d+)")


def send_help_key(send: Send) -> str | None:
    """Returns the key of the text; None: there is nothing to be done. A message that waits because Meta refused it has
    one too."""
    if send.state == "expired":
        return _WHY_EXPIRED.get(send.reason or "", "expired")
    if send.state == "failed" or (send.state in WAITING and send.error is not None):
        return status_error(send.error).help
    return {"unknown": "unconfirmed", "dropped": "dropped"}.get(send.state)


def send_help(send: Send) -> str | None:
    """Returns the text in plain English; None: there is nothing to be done."""
    key = send_help_key(send)
    return SEND_HELP_TEXTS[key] if key is not None else None


def pause_help_key(reason: str | None) -> str | None:
    """Returns the key of the text about a number's pause; None: its reason names no error of Meta."""
    found = _ERROR.match(reason or "")
    return answer_error(int(found[1]), 400).help if found else None


def pause_help(reason: str | None) -> str | None:
    """Returns that text in plain English; None: there is none."""
    key = pause_help_key(reason)
    return SEND_HELP_TEXTS[key] if key is not None else None
