"""Posts messages to the Graph API: one attempt per call, with an outcome that is never guessed."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from domain.sending.graph_errors import answer_error
from domain.sending.sends import NotSent, PostAccepted, PostOutcome, Refused, Unanswered
from infra.graph.access import GraphClient, MetaAnswer, NoAnswer, NotReached

_UNREACHABLE_WAIT = timedelta(seconds=1)


class GraphMessages:
    """Implements `domain.sending.sends.Graph`."""

    def __init__(self, api: GraphClient) -> None:
        self._api = api

    def post(self, phone_number_id: str, body: Mapping[str, Any]) -> PostOutcome:
        """Makes one attempt; raises nothing."""
        try:
            answer = self._api.post(f"{phone_number_id}/messages", body)
        except NotReached as error:
            return NotSent(f"Meta could not be reached ({error})", "number", _UNREACHABLE_WAIT)
        except NoAnswer as error:
            return Unanswered(f"no answer ({error})")
        return _outcome(answer)

    def show(self, phone_number_id: str, body: Mapping[str, Any]) -> bool:
        """Makes one attempt; raises nothing."""
        try:
            answer = self._api.post(f"{phone_number_id}/messages", body)
        except (NotReached, NoAnswer):
            return False
        return answer.status == 200 and answer.error is None


def _outcome(answer: MetaAnswer) -> PostOutcome:
    if answer.error is not None:
        return _refusal(answer)
    if answer.status >= 500 or answer.status < 200:
        return Unanswered(f"HTTP {answer.status}")
    if answer.status == 429:
        error = answer_error(-1, answer.status)
        return NotSent("HTTP 429", error.scope, error.wait)
    if answer.status >= 300:
        return Unanswered(f"HTTP {answer.status} without an error of Meta")
    message, contact = _first(answer.body, "messages"), _first(answer.body, "contacts")
    wamid = message.get("id")
    if not isinstance(wamid, str) or not wamid:
        return Unanswered("the answer names no message")
    held = message.get("message_status") == "held_for_quality_assessment"
    return PostAccepted(wamid[:256], _text(contact, "wa_id"), _text(contact, "user_id"), held)


def _refusal(answer: MetaAnswer) -> PostOutcome:
    error = answer.error or {}
    code = error.get("code")
    if type(code) is not int or abs(code) >= 2**31:
        return Unanswered(f"HTTP {answer.status} with an error without a code")
    meaning = answer_error(code, answer.status)
    reason = f"Meta's error {code}"
    match meaning.kind:
        case "wait":
            return NotSent(reason, meaning.scope, meaning.wait, code, meaning.needs_person)
        case "unknown":
            return Unanswered(f"{reason}, HTTP {answer.status}")
        case _:
            return Refused(code, reason, meaning.scope)


def _first(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    items = body.get(key)
    return items[0] if isinstance(items, list) and items and isinstance(items[0], dict) else {}


def _text(holder: Mapping[str, Any], key: str) -> str | None:
    value = holder.get(key)
    return value[:256] if isinstance(value, str) and value else None
