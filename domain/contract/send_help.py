"""What a person can do about a message to a customer that did not arrive, or that waits, by its key in
`domain.contract.texts.SEND_HELP_TEXTS`."""

from domain.contract.texts import SEND_HELP_TEXTS
from domain.sending.graph_errors import status_error
from domain.sending.sends import NOT_ALLOWED, OPTED_OUT, WAITING, WINDOW_CLOSED, Send

_WHY_EXPIRED = {WINDOW_CLOSED: "window_closed", NOT_ALLOWED: "not_allowed", OPTED_OUT: "opted_out"}


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
