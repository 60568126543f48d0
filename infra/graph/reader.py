"""Reads what Meta says of our accounts: their numbers, their templates, and whether our app gets their webhooks."""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.inbound.whatsapp.accounts import people_of_tier
from domain.sending.numbers import GraphNumber
from domain.sending.templates import Template
from infra.graph.access import GraphClient, MetaAnswer, NoAnswer, NotReached

_PAGE = "100"
_MAX_PAGES = 200
_LONGEST_TTL = 30 * 86_400
_TEMPLATE_FIELDS = "name,status,category,language,components,parameter_format,quality_score,message_send_ttl_seconds"
_NUMBER_FIELDS = (
    "id,display_phone_number,verified_name,quality_rating,throughput,whatsapp_business_manager_messaging_limit"
)
_SAMPLE_FILE = "header_handle"
_THROUGHPUT = {"STANDARD": 80, "HIGH": 1000, "NOT_APPLICABLE": 20}


class GraphUnread(Exception):
    """Meta did not say what was asked. The message names the cause, without personal data."""


class GraphReader:
    """Reads from the Graph API. The methods raise GraphUnread. `clock_ahead`: of the last answer (`MetaAnswer`)."""

    def __init__(self, api: GraphClient) -> None:
        self._api = api
        self.clock_ahead: float | None = None

    def templates(self, account_id: str) -> list[Template]:
        """Returns all templates of an account, in whatever state."""
        rows = self._pages(f"{account_id}/message_templates", {"fields": _TEMPLATE_FIELDS, "limit": _PAGE})
        return [found for row in rows if (found := _template(account_id, row)) is not None]

    def numbers(self, account_id: str) -> list[GraphNumber]:
        """Returns the numbers of an account."""
        rows = self._pages(f"{account_id}/phone_numbers", {"fields": _NUMBER_FIELDS, "limit": _PAGE})
        return [found for row in rows if (found := _number(row)) is not None]

    def subscribed_apps(self, account_id: str) -> list[str]:
        """Returns the names of the apps that get the account's webhooks."""
        rows = self._pages(f"{account_id}/subscribed_apps", {})
        named = (row.get("whatsapp_business_api_data") for row in rows)
        return [(isinstance(app, dict) and (_text(app, "name") or _text(app, "id"))) or "?" for app in named]

    def _pages(self, path: str, query: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        after: str | None = None
        for _ in range(_MAX_PAGES):
            answer = self._get(path, {**query, "after": after} if after else query)
            data = answer.body.get("data")
            if not isinstance(data, list):
                raise GraphUnread("the answer has no data")
            yield from (row for row in data if isinstance(row, dict))
            paging = answer.body.get("paging")
            cursors = paging.get("cursors") if isinstance(paging, dict) else None
            following = cursors.get("after") if isinstance(cursors, dict) else None
            if not isinstance(paging, dict) or "next" not in paging or not isinstance(following, str):
                return
            if following == after:
                raise GraphUnread("the pages have no end")
            after = following
        raise GraphUnread("there are too many pages")

    def _get(self, path: str, query: Mapping[str, str]) -> MetaAnswer:
        try:
            answer = self._api.get(path, query)
        except (NotReached, NoAnswer) as error:
            raise GraphUnread(f"Meta could not be asked ({error})") from None
        self.clock_ahead = answer.clock_ahead
        if answer.error is not None:
            raise GraphUnread(f"Meta's error {answer.error.get('code')}")
        if answer.status != 200:
            raise GraphUnread(f"HTTP {answer.status}")
        return answer


def _template(account_id: str, row: Mapping[str, Any]) -> Template | None:
    name, language, status = _text(row, "name"), _text(row, "language"), _text(row, "status")
    components = row.get("components")
    if not name or not language or not status or not isinstance(components, list):
        return None
    parts = [_lasting(part) for part in components if isinstance(part, dict)]
    parameter_format = _text(row, "parameter_format") or "POSITIONAL"
    score = row.get("quality_score")
    quality = (_text(score, "score") if isinstance(score, dict) else "") or "UNKNOWN"
    category, ttl = _text(row, "category"), row.get("message_send_ttl_seconds")
    ttl_seconds = ttl if isinstance(ttl, int) and 0 < ttl <= _LONGEST_TTL else None  # -1: as usual
    return Template(account_id, name, language, status, category, parameter_format, parts, quality, ttl_seconds)


def _lasting(part: Any) -> Any:  # noqa: ANN401 - JSON
    """Returns a part of a template without the address of its sample file: Meta signs that again for each answer, so
    the template would seem to be edited all the time."""
    if isinstance(part, dict):
        return {key: _lasting(value) for key, value in part.items() if key != _SAMPLE_FILE}
    return [_lasting(each) for each in part] if isinstance(part, list) else part


def _number(row: Mapping[str, Any]) -> GraphNumber | None:
    id_ = _text(row, "id")
    if not id_:
        return None
    throughput = row.get("throughput")
    level = _text(throughput, "level") if isinstance(throughput, dict) else ""
    tier = _text(row, "whatsapp_business_manager_messaging_limit") or _text(row, "messaging_limit_tier")
    return GraphNumber(
        id_,
        _text(row, "display_phone_number"),
        _text(row, "verified_name"),
        _text(row, "quality_rating") or "UNKNOWN",
        _THROUGHPUT.get(level, 80),
        people_of_tier(tier),
    )


def _text(holder: Mapping[str, Any], key: str) -> str:
    value = holder.get(key)
    return value[:512].replace("\x00", "") if isinstance(value, str) else ""
