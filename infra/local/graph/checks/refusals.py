"""Errors of the Graph API: code, HTTP status and title, and the body in which Meta returns them."""

import json
import secrets
from typing import Any

_OAUTH = "OAuthException"

TITLES: dict[int, tuple[int, str]] = {
    0: (401, "Authentication Error"),
    1: (500, "An unknown error occurred"),
    2: (503, "Service temporarily unavailable"),
    3: (400, "Application does not have the capability to make this API call."),
    4: (400, "Application request limit reached"),
    10: (403, "Application does not have permission for this action"),
    100: (400, "Invalid parameter"),
    190: (401, "Error validating access token"),
    200: (403, "Permissions error"),
    368: (403, "Temporarily blocked for policies violations"),
    2500: (400, "Unknown path components"),
    80007: (400, "Rate limit issues"),
    130429: (429, "Rate limit hit"),
    130472: (400, "User's number is part of an experiment"),
    130497: (403, "Business account is restricted from messaging users in this country."),
    131000: (500, "Something went wrong"),
    131005: (403, "Access denied"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131016: (500, "Service unavailable"),
    131021: (400, "Recipient cannot be sender"),
    131026: (400, "Message undeliverable"),
    131030: (400, "Recipient phone number not in allowed list"),
    131031: (403, "Business account has been locked"),
    131037: (400, "Display name approval is required before sending messages"),
    131042: (400, "Business eligibility payment issue"),
    131044: (400, "Business eligibility issue"),
    131045: (500, "Incorrect certificate"),
    131047: (400, "Re-engagement message"),
    131048: (400, "Spam rate limit hit"),
    131049: (400, "This message was not delivered to maintain healthy ecosystem engagement."),
    131050: (400, "User has stopped marketing messages from this business"),
    131051: (400, "Unsupported message type"),
    131052: (400, "Media download error"),
    131053: (400, "Media upload error"),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit"),
    131057: (500, "Account in maintenance mode"),
    131062: (400, "Business-scoped user id is not possible for this message"),
    131063: (400, "Marketing templates are not available for this account"),
    131064: (400, "Limit reached because of template classification violations"),
    132000: (400, "Number of parameters does not match the expected number of params"),
    132001: (404, "Template name does not exist in the translation"),
    132005: (400, "Translated text too long"),
    132007: (400, "Template format character policy violated"),
    132008: (400, "Parameter value of the template is not valid"),
    132012: (400, "Parameter format does not match format in the created template"),
    132015: (400, "Template is paused"),
    132016: (400, "Template is disabled"),
    132018: (400, "There's an issue with the parameters in your template"),
    132068: (400, "Flow is blocked"),
    132069: (429, "Flow is throttled"),
    133016: (400, "Account register deregister rate limit exceeded"),
    135000: (400, "Generic user error"),
    137000: (400, "The recipient's identity has changed"),
}
"""HTTP status and title of each code. Meta documents no status for some of them; those are 400."""


class GraphRefusal(Exception):
    """A call that Meta answers with an error. `details`: its explanation, without content of a message. `status`: None
    for the usual status of the code."""

    def __init__(
        self,
        code: int,
        details: str,
        *,
        status: int | None = None,
        title: str | None = None,
        subcode: int | None = None,
    ) -> None:
        super().__init__(f"{code}: {details}")
        usual, known = TITLES.get(code, (400, "Unknown error"))
        self.code, self.details, self.subcode = code, details, subcode
        self.status = status or usual
        self.title = title or known

    def body(self) -> bytes:
        """Returns the body of the answer."""
        error: dict[str, Any] = {"message": f"(#{self.code}) {self.title}", "type": _OAUTH, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        error["fbtrace_id"] = trace_id()
        return json.dumps({"error": error}).encode()


def trace_id() -> str:
    """Returns an id like the one that Meta's support asks for."""
    return f"A{secrets.token_urlsafe(16)}"


def status_error(code: int) -> dict[str, Any]:
    """Returns an element of the `errors[]` of a failed status."""
    _, title = TITLES.get(code, (400, "Unknown error"))
    return {
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": f"{title}."},
        "href": "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes/",
    }


def required(name: str) -> GraphRefusal:
    """Returns the error for a missing parameter at the top of the body."""
    return GraphRefusal(100, f"The parameter {name} is required.", title=f"The parameter {name} is required.")


def missing(path: str) -> GraphRefusal:
    """Returns the error for a missing parameter inside an object."""
    return GraphRefusal(131008, f"Parameter '{path}' is missing.")


def wrong(path: str, rule: str) -> GraphRefusal:
    """Returns the error for a parameter with a wrong type, length or value. `rule`: what it must be."""
    return GraphRefusal(100, f"Param {path} {rule}.", title=f"Param {path} {rule}.")


def not_valid(details: str) -> GraphRefusal:
    """Returns the error for a value inside an interactive message or template."""
    return GraphRefusal(131009, details)
