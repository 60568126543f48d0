"""The addresses of the stand-in: those of the Graph API, which need the token, and its own, which begin with `/_`."""

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from infra.local.graph.accounts import PEOPLE, THROUGHPUT
from infra.local.graph.checks.refusals import GraphRefusal
from infra.local.graph.customers import told_to_write
from infra.local.graph.faults import FAULTS, FaultSyntaxError
from infra.local.graph.media import MEDIA_ID
from infra.local.graph.outlet import AccountUpdate, NumberUpdate, WebhookOutlet
from infra.local.graph.sends import GraphAnswer, GraphState, MessageSends, expired_token

_VERSION = re.compile(r"v\d{1,3}\.\d{1,2}")
_ID = re.compile(r"\d{1,20}")


@dataclass(frozen=True, slots=True)
class GraphCall:
    """A request. `path` without query; `authorization`: the header; `host`: that of the request."""

    method: str
    path: str
    query: str = ""
    authorization: str = ""
    content_type: str = ""
    host: str = "localhost"
    body: bytes = b""


class GraphApi:
    """Answers calls. `token`: the only one that is valid."""

    def __init__(self, token: str, state: GraphState, outlet: WebhookOutlet) -> None:
        self._token = token
        self._state = state
        self._outlet = outlet
        self._sends = MessageSends(state, outlet)
        self._paused: set[str] = set()
        self._texts: dict[str, str] = {}

    def answer(self, call: GraphCall, now: float) -> GraphAnswer:
        """Answers a call. `now`: seconds since 1970."""
        try:
            if call.path.startswith("/_") and not call.path.startswith("/_media/"):
                return self._own(call, now)
            answer = self._graph(call, now)
        except GraphRefusal as refusal:
            answer = GraphAnswer(refusal.body(), refusal.status)
        if not self._state.faults:
            return answer
        self._apply_template_faults()
        latency = self._state.faults.state("latency")
        delay = answer.delay + (latency.value / 1000 if latency else 0.0)
        return replace(answer, delay=max(delay, self.pause_left(now)))

    def pause_left(self, now: float) -> float:
        """Returns for how many seconds nothing is answered and reported."""
        pause = self._state.faults.state("pause") if self._state.faults else None
        if pause is None:
            return 0.0
        if pause.began is None:
            pause.began = now
        return max(0.0, pause.began + float(pause.value) - now)

    # The Graph API

    def _graph(self, call: GraphCall, now: float) -> GraphAnswer:
        query = dict(parse_qsl(call.query))
        self._authorize(call, query)
        if call.path.startswith("/_media/"):
            stored = self._state.media.download(
                call.path.removeprefix("/_media/"), query.get("ext", ""), query.get("hash", ""), now
            )
            return GraphAnswer(stored.content, media_type=stored.mime_type)
        version, _, rest = call.path.removeprefix("/").partition("/")
        node, _, edge = rest.partition("/")
        if not _VERSION.fullmatch(version) or not _ID.fullmatch(node):
            raise GraphRefusal(2500, f"Unknown path components: /{rest[:64] or version[:64]}")
        if (call.method, edge) == ("POST", "messages"):
            return self._sends.post(node, call.body, now)
        if self._state.faults and self._state.faults.state("token-expired"):
            raise expired_token()
        return GraphAnswer(json.dumps(self._managed(call, node, edge, query, now)).encode())

    def _authorize(self, call: GraphCall, query: Mapping[str, str]) -> None:
        kind, _, token = call.authorization.partition(" ")
        if kind.lower() != "bearer":
            token = query.get("access_token", "")
        if not token:
            raise GraphRefusal(0, "An access token is required.")
        if not hmac.compare_digest(token.strip().encode(), self._token.encode()):
            raise GraphRefusal(190, "Invalid OAuth access token - Cannot parse access token.")

    def _managed(self, call: GraphCall, node: str, edge: str, query: Mapping[str, str], now: float) -> dict[str, Any]:
        accounts, media, fields = self._state.accounts, self._state.media, query.get("fields", "")
        base_url = f"http://{call.host}"
        match call.method, edge:
            case "GET", "message_templates":
                return self._state.templates.page(query, base_url + call.path)
            case "GET", "phone_numbers":
                return accounts.list_numbers(node, fields, *self._limits())
            case "GET", "subscribed_apps":
                return accounts.subscriptions(node)
            case ("POST" | "DELETE") as method, "subscribed_apps":
                return accounts.subscribe(node, wanted=method == "POST")
            case "POST", "media":
                return media.upload(node, call.content_type, BytesIO(call.body), len(call.body))
            case "GET", "" if MEDIA_ID.fullmatch(node):
                return media.info(node, query.get("phone_number_id"), base_url, now)
            case "DELETE", "" if MEDIA_ID.fullmatch(node):
                return media.delete(node, query.get("phone_number_id"))
            case "GET", "":
                return accounts.describe(node, fields, *self._limits())
        raise GraphRefusal(
            100, f"Unsupported {call.method.lower()} request. Object with ID '{node}' has no such edge.", subcode=33
        )

    def _limits(self) -> tuple[int, int]:
        throughput, people = self._state.faults.state("throughput"), self._state.faults.state("people")
        return throughput.value if throughput else THROUGHPUT, people.value if people else PEOPLE

    # The stand-in's own addresses

    def _own(self, call: GraphCall, now: float) -> GraphAnswer:
        query = dict(parse_qsl(call.query))
        match call.method, call.path:
            case "GET", "/_ledger":
                after = query.get("after", "0")
                return GraphAnswer(self._state.ledger.json(int(after) if after.isdecimal() else 0))
            case "GET", "/_posts":
                return GraphAnswer(self._state.ledger.posts_json())
            case "GET", "/_faults":
                return GraphAnswer(self._faults_json())
            case "POST", "/_faults":
                return self._change_faults(call.body, now)
            case "POST", "/_customers":
                return self._customer_writes(call.body, now)
        return _not_understood("there is no such address: see docs/graph-stand-in.md", 404)

    def _faults_json(self) -> bytes:
        known = [{"name": name, "value": kind.value, "effect": kind.effect} for name, kind in FAULTS.items()]
        listing = {"faults": self._state.faults.listing(), "known": known, "webhook": self._outlet.counts()}
        return json.dumps(listing).encode()

    def _change_faults(self, raw: bytes, now: float) -> GraphAnswer:
        """Changes the switches: `{"clear": bool, "off": [NAME], "set": [TEXT]}`, in this order; nothing in case of an
        error."""
        try:
            order = json.loads(raw)
            off, on = order.get("off", []), order.get("set", [])
            if not all(isinstance(texts, list) for texts in (off, on)):
                raise TypeError
            self._state.faults.change(clear=order.get("clear") is True, off=off, on=on)
        except FaultSyntaxError as error:
            return _not_understood(str(error))
        except (ValueError, TypeError, AttributeError):
            return _not_understood('expected {"clear": true or false, "off": [names], "set": [texts]}')
        self.pause_left(now)
        self._apply_template_faults()
        return GraphAnswer(self._faults_json())

    def _customer_writes(self, raw: bytes, now: float) -> GraphAnswer:
        try:
            order = json.loads(raw)
            number, customer, item = told_to_write(order if isinstance(order, dict) else {}, now)
        except GraphRefusal as refusal:
            return _not_understood(refusal.details)
        except ValueError:
            return _not_understood("the body is not JSON")
        self._outlet.put(NumberUpdate(number, item, customer))
        return GraphAnswer(json.dumps({"wamid": item["id"]}).encode())

    def _apply_template_faults(self) -> None:
        """Makes the templates follow their switches, and reports what changed to the webhook."""
        faults, templates = self._state.faults, self._state.templates
        paused = {rule.value for rule in faults.states("template-paused")}
        texts = dict(rule.value for rule in faults.states("template-text"))
        if (paused, texts) == (self._paused, self._texts):
            return
        edited = {name for name in texts if self._texts.get(name) != texts[name]}
        changed = dict.fromkeys(paused - self._paused, "PAUSED")
        changed |= dict.fromkeys(self._paused - paused, "REINSTATED")
        self._paused, self._texts = paused, texts
        templates.change(paused, texts)
        for template in templates.current():
            if template["name"] in changed:
                self._report(template, "message_template_status_update", event=changed[template["name"]], reason="NONE")
            if template["name"] in edited:
                (body,) = (part["text"] for part in template["components"] if part["type"] == "BODY")
                self._report(template, "message_template_components_update", message_template_element=body)

    def _report(self, template: dict[str, Any], field: str, **value: str) -> None:
        named = {
            "message_template_id": int(template["id"]),
            "message_template_name": template["name"],
            "message_template_language": template["language"],
        }
        for account_id in self._state.accounts.account_ids():
            self._outlet.put(AccountUpdate(account_id, field, {**value, **named}))


def _not_understood(message: str, status: int = 400) -> GraphAnswer:
    return GraphAnswer(json.dumps({"error": message}).encode(), status)
