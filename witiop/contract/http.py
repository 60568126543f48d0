"""Generates docs/openapi.json: the HTTP interfaces that programs use. The webhooks, the monitor of every process, and
of the console what is no page: health, files and streams. `python -m witiop.contract.generate` writes it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.serving.problem import MEDIA_TYPE as PROBLEM
from webhook.app import MAX_BODY_BYTES
from webhook.cloud_events import BATCH, ONE

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"
"""Exists in the source tree only, not in an installed package."""

_Json = dict[str, Any]

_SERVERS = {
    "webhook": {"url": "http://127.0.0.1:8080", "description": "the webhooks, behind a proxy with TLS"},
    "console": {"url": "http://127.0.0.1:8081", "description": "the console, behind a proxy with TLS"},
    "monitor": {"url": "http://127.0.0.1:9464", "description": "the monitor of each process, in the internal network"},
}
_MEANINGS = {
    "303": "To the page to sign in, or to the provider.",
    "400": "Not valid HTTP, or a signed body that is invalid: nothing of it is stored.",
    "401": "Not signed, or not signed in.",
    "403": "Not allowed.",
    "404": "There is nothing here.",
    "405": "Not with this method.",
    "408": "The body took longer than 10 s.",
    "410": "It is over, e.g. a link of a mail after 30 days.",
    "413": f"The body is larger than {MAX_BODY_BYTES:,} bytes.",
    "414": "The address is too long.",
    "415": "Not with this type of content.",
    "416": "There are no such bytes.",
    "429": "Too many at once by one person; `Retry-After` says when.",
    "431": "The headers are too large.",
    "503": "Not now; `Retry-After` says when. Of a webhook: nothing was acknowledged, send it again.",
}
_OF_HTTP = ("400", "405", "413", "414", "431", "503")
"""What any request to the webhooks or the console may be answered."""
_OF_PAGES = ("303", "401", "403", "404", "410", "416", "429", *_OF_HTTP)
"""What else an address of the console may answer."""
_TEXT: _Json = {"text/plain": {"schema": {"type": "string"}}}
_PAGE: _Json = {"text/html": {"schema": {"type": "string"}}}
_READY: _Json = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["ready", "missing"],
            "properties": {
                "ready": {"type": "boolean"},
                "missing": {"type": "array", "items": {"type": "string"}, "description": "What is missing, if not."},
            },
        }
    }
}
_ALIVE: _Json = {
    "application/json": {
        "schema": {"type": "object", "required": ["alive"], "properties": {"alive": {"const": True}}},
    }
}
_PROBLEM: _Json = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_BYTES = {"type": "string", "format": "binary"}
_WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FILES = {"xlsx": _WORKBOOK, "csv": "text/csv", "txt": "text/plain"}

_EVENT: _Json = {
    "type": "object",
    "description": "A CloudEvent 1.0; docs/events has its types.",
    "required": ["specversion", "id", "source", "type", "time", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1},
        "type": {"type": "string", "minLength": 1},
        "time": {"type": "string", "format": "date-time"},
        "data": {"type": "object"},
    },
}

_CONSOLE_FILES = {
    "/unmanaged.xlsx": ("status", "reason", "number", "campaign", "q", "order", "tag"),
    "/unmanaged.csv": ("status", "reason", "number", "campaign", "q", "order", "tag"),
    "/waiting.xlsx": ("state", "number", "to", "q"),
    "/waiting.csv": ("state", "number", "to", "q"),
    "/opt-outs.xlsx": ("number", "source", "customer", "ended"),
    "/audit.xlsx": ("person", "kind", "since", "until", "conversation"),
    "/audit.csv": ("person", "kind", "since", "until", "conversation"),
    "/conversations/{id}/transcript.txt": (),
    "/campaigns.xlsx": ("state", "number", "name"),
    "/analytics.xlsx": ("days", "number", "reason"),
}
"""Files of the console -> their conditions, which are those of the page of the same name."""
_CONSOLE_STREAMS = ("/live", "/desk/live", "/campaigns/live", "/directory/live")


def openapi() -> _Json:
    """Returns the OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "WitiOp Unmanaged",
            "version": "1",
            "description": "What programs ask over HTTP. The pages of the console are for people; "
            "docs/design/interface.md has their addresses. Error responses of webhooks are problem documents "
            "(RFC 9457).",
        },
        "servers": list(_SERVERS.values()),
        "paths": {**_webhooks(), **_health(), **_console()},
        "components": {
            "securitySchemes": {
                "meta": _header_key("X-Hub-Signature-256", "sha256= and the hex HMAC-SHA256 of the raw body"),
                "witiop": _header_key("X-Witiop-Signature-256", "sha256= and the hex HMAC-SHA256 of the raw body"),
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-witiop"},
            },
            "responses": {
                **{f"problem-{status}": _answer(text, _PROBLEM) for status, text in _MEANINGS.items()},
                **{f"page-{status}": _answer(text, {**_PAGE, **_TEXT}) for status, text in _MEANINGS.items()},
            },
            "schemas": {
                "Event": _EVENT,
                "Batch": {"type": "array", "items": {"$ref": "#/components/schemas/Event"}},
                "Problem": {
                    "type": "object",
                    "required": ["title", "status", "detail"],
                    "properties": {
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                        "errors": {"type": "array", "items": {"type": "object"}},
                    },
                },
            },
        },
    }


def text() -> str:
    """Returns the document as it is in docs/openapi.json."""
    return json.dumps(openapi(), indent=1) + "\n"


def _webhooks() -> _Json:
    events = {
        ONE: {"schema": {"$ref": "#/components/schemas/Event"}},
        BATCH: {"schema": {"$ref": "#/components/schemas/Batch"}},
    }
    notification = {
        "text/plain": {"schema": {"type": "object"}},
        "application/json": {"schema": {"type": "object"}},
    }
    update = {"application/json": {"schema": {"type": "object", "properties": {"entry": {"type": "array"}}}}}
    return {
        "/webhooks/whatsapp": _at(
            "webhook",
            get={
                "summary": "Meta's handshake: returns the challenge.",
                "parameters": [_query(name) for name in ("hub.mode", "hub.verify_token", "hub.challenge")],
                "responses": {"200": _answer("The challenge.", _TEXT), **_problems("403", *_OF_HTTP)},
            },
            post=_receiving("Updates of Meta, each stored once all replicas have it.", update, "meta"),
        ),
        "/webhooks/softbot": _at("webhook", post=_receiving("Events of the Softbot.", events, "witiop")),
        "/webhooks/agents": _at("webhook", post=_receiving("Events of the agent desktop.", events, "witiop")),
        "/webhooks/ses": _at("webhook", post=_receiving("Notifications of Amazon SNS.", notification, None)),
    }


def _receiving(summary: str, content: _Json, scheme: str | None) -> _Json:
    return {
        "summary": summary,
        "security": [{scheme: []}] if scheme else [],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": _answer("Stored."), **_problems("401", "408", *_OF_HTTP)},
    }


def _health() -> _Json:
    alive = {"summary": "The process is alive.", "responses": {"200": _answer("It is.", _ALIVE)}}
    ready = {
        "summary": "The process can do its work.",
        "responses": {"200": _answer("It can.", _READY), "503": _answer("It cannot; what is missing.", _READY)},
    }
    metrics = {
        "summary": "The process's metrics, for Prometheus.",
        "responses": {"200": _answer("The metrics.", {"text/plain": _TEXT["text/plain"]})},
    }
    return {
        "/healthz": _at("webhook", "console", "monitor", get=alive),
        "/readyz": _at("webhook", "console", "monitor", get=ready),
        "/metrics": _at("monitor", get=metrics),
    }


def _console() -> _Json:
    paths: _Json = {}
    for path, conditions in _CONSOLE_FILES.items():
        kind = _FILES[path.rpartition(".")[2]]
        paths[path] = _at(
            "console", get=_asking("A list or a transcript as a file.", {kind: {"schema": _BYTES}}, conditions)
        )
    for path in _CONSOLE_STREAMS:
        stream = {"text/event-stream": {"schema": {"type": "string"}}}
        paths[path] = _at("console", get=_asking("Changes of an open page, as server-sent events.", stream, ()))
    for path in ("/media/{id}", "/media/{id}/small", "/media/sent/{id}"):
        paths[path] = _at("console", get=_asking("A file of a message.", {"*/*": {"schema": _BYTES}}, ()))
    for path in paths:
        if "{id}" in path:
            paths[path]["parameters"] = [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
            ]
    return paths


def _asking(summary: str, content: _Json, conditions: Sequence[str]) -> _Json:
    return {
        "summary": summary,
        "security": [{"session": []}],
        "parameters": [_query(name) for name in conditions],
        "responses": {
            "200": _answer("The whole.", content),
            "206": _answer("A part.", content),
            **_referred("page", _OF_PAGES),
        },
    }


def _at(*servers: str, **operations: _Json) -> _Json:
    return {"servers": [_SERVERS[server] for server in servers], **operations}


def _answer(description: str, content: _Json | None = None) -> _Json:
    return {"description": description, **({"content": content} if content else {})}


def _problems(*statuses: str) -> _Json:
    return _referred("problem", statuses)


def _referred(kind: str, statuses: Sequence[str]) -> _Json:
    return {status: {"$ref": f"#/components/responses/{kind}-{status}"} for status in statuses}


def _query(name: str) -> _Json:
    return {"name": name, "in": "query", "schema": {"type": "string"}}


def _header_key(name: str, description: str) -> _Json:
    return {"type": "apiKey", "in": "header", "name": name, "description": description}
