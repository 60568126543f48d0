"""Generates docs/events: a JSON Schema (2020-12) for every kind of data, and an AsyncAPI 3 document.

`python -m witiop.contract.generate` writes the files, unless a change is not additive.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import WithDefaultSchema

from domain.contract.channels import CHANNELS, SEQUENCE, Channel, MessageType
from witiop.contract import http
from witiop.contract.compatibility import Schema, breaks
from witiop.contract.examples import EXAMPLES

DIRECTORY = Path(__file__).parents[2] / "docs" / "events"
"""Exists in the source tree only, not in an installed package."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TIME = {"type": "string", "format": "date-time"}
_FILLED = {"type": "string", "minLength": 1}


class _PlainJsonSchema(GenerateJsonSchema):
    """Omits titles that repeat the name of a property, and null defaults, which repeat `required`."""

    def field_title_should_be_set(self, _: object) -> bool:
        return False

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        return {key: value for key, value in described.items() if (key, value) != ("default", None)}


def schemas() -> dict[str, Schema]:
    """Returns the JSON Schemas by name."""
    return {message.schema: _schema(message) for channel in CHANNELS for message in channel.messages}


def asyncapi() -> dict[str, Any]:
    """Returns the AsyncAPI document, which refers to `schemas/` for payloads."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "WitiOp Unmanaged",
            "version": "1",
            "description": "CloudEvents 1.0: in Kafka's binary mode on the topics, in JSON at the webhooks. The "
            "contract only grows: ignore unknown fields, unknown values of `x-extensible-enum` and unknown types.",
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": dict(map(_operation, CHANNELS)),
        "components": {
            "messages": {message.name: _message(message, c) for c in CHANNELS for message in c.messages},
            "messageTraits": {
                "cloudevents-kafka": {"headers": _kafka_headers(), "contentType": "application/json"},
                "signed": {"headers": _signed_headers()},
            },
        },
    }


def documents() -> dict[str, str]:
    """Returns the text of every generated file by its path in docs/events."""
    named = {f"schemas/{name}.json": schema for name, schema in schemas().items()} | {"asyncapi.json": asyncapi()}
    return {path: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for path, document in named.items()}


def not_additive(directory: Path) -> list[str]:
    """Returns the changes since the contract in this directory that are not additive, one line each."""
    return list(_broken(directory))


def write(directory: Path) -> list[str]:
    """Writes the contract, or nothing if it has changes that are not additive. Returns those changes."""
    broken = not_additive(directory)
    if not broken:
        (directory / "schemas").mkdir(parents=True, exist_ok=True)
        for path, text in documents().items():
            (directory / path).write_text(text)
    return broken


def _broken(directory: Path) -> Iterator[str]:
    now = schemas()
    directions: dict[str, Literal["published", "accepted"]] = {
        message.schema: channel.direction for channel in CHANNELS for message in channel.messages
    }
    for file in sorted((directory / "schemas").glob("*.json")):
        if file.stem not in now:
            yield f"{file.stem}: was removed"
            continue
        for broken in breaks(json.loads(file.read_text()), now[file.stem], directions[file.stem]):
            yield f"{file.stem}: {broken}"
    written = directory / "asyncapi.json"
    if written.exists():
        current = {channel.address: {message.name for message in channel.messages} for channel in CHANNELS}
        for channel in json.loads(written.read_text())["channels"].values():
            for name in sorted(channel["messages"].keys() - current.get(channel["address"], set())):
                yield f"{channel['address']}: {name} was removed"


def _schema(message: MessageType) -> Schema:
    schema = message.data.model_json_schema(schema_generator=_PlainJsonSchema)
    beyond = {"allOf": [message.beyond]} if message.beyond else {}
    example = {"examples": [EXAMPLES[message.schema]]} if message.schema in EXAMPLES else {}
    return {"$schema": _DIALECT, **schema, "title": message.schema, **beyond, **example}


def _channel(channel: Channel) -> dict[str, Any]:
    described: dict[str, Any] = {
        "address": channel.address,
        "description": channel.description,
        "messages": {message.name: {"$ref": f"#/components/messages/{message.name}"} for message in channel.messages},
    }
    if channel.transport != "cloudevents-http":
        described["bindings"] = {"kafka": {"topic": channel.address, "bindingVersion": "0.5.0"}}
    return described


def _operation(channel: Channel) -> tuple[str, dict[str, Any]]:
    action = "send" if channel.direction == "published" else "receive"
    operation: dict[str, Any] = {"action": action, "channel": {"$ref": f"#/channels/{channel.name}"}}
    if channel.name == "commands":
        operation["reply"] = {"channel": {"$ref": "#/channels/command-results"}}
    if channel.transport == "cloudevents-http":
        operation["bindings"] = {"http": {"method": "POST", "bindingVersion": "0.3.0"}}
    return f"{action}-{channel.name}", operation


def _message(message: MessageType, channel: Channel) -> dict[str, Any]:
    schema = {"$ref": f"./schemas/{message.schema}.json"}
    example = EXAMPLES.get(message.schema)
    described: dict[str, Any] = {"name": message.name, "title": message.name}
    if channel.transport == "cloudevents-http":
        described |= {
            "contentType": "application/cloudevents+json",
            "headers": {
                "type": "object",
                "required": ["X-Witiop-Signature-256"],
                "properties": {
                    "X-Witiop-Signature-256": {
                        "type": "string",
                        "description": "sha256= followed by the HMAC-SHA256 of the raw body in hex.",
                    }
                },
            },
        }
        schema = _envelope(message.name, schema)
        example = example and _enveloped(message.name, example)
    if channel.transport == "cloudevents-kafka":
        names = ["cloudevents-kafka", *(["signed"] if channel.name == "commands" else [])]
        described |= {
            "headers": {"type": "object", "properties": {"ce_type": {"const": message.name}}},
            "traits": [{"$ref": f"#/components/messageTraits/{name}"} for name in names],
        }
        if channel.name == "conversations":
            described["headers"] |= {"required": ["ce_sequence"]}
            described["headers"]["properties"]["ce_sequence"] = {
                "type": "string",
                "pattern": "^[1-9][0-9]*$",
                "description": SEQUENCE,
            }
    if channel.key is not None:
        key = {"type": "string", "description": channel.key}
        described["bindings"] = {"kafka": {"key": key, "bindingVersion": "0.5.0"}}
    described["payload"] = {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": schema}
    if example is not None:
        described["examples"] = [{"name": "example", "payload": example}]
    return described


def _kafka_headers() -> dict[str, Any]:
    properties = {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {**_FILLED, "description": "Unique per ce_source; repeats have the same id."},
        "ce_type": _FILLED,
        "ce_source": _FILLED,
        "ce_time": _TIME,
        "content-type": {"type": "string"},
    }
    return {"type": "object", "required": [*list(properties)[:-1]], "properties": properties}


def _signed_headers() -> dict[str, Any]:
    properties = {
        "witiop_issuer": {**_FILLED, "description": "User who issued the command; written to the audit log."},
        "witiop_expires": {**_TIME, "description": "The command is rejected from then on; at most 24 h after ce_time."},
        "witiop_signature": {
            "type": "string",
            "pattern": "^sha256=[0-9a-f]{64}$",
            "description": "HMAC-SHA256 in hex over ce_id, ce_type, ce_source, ce_time, witiop_issuer and "
            "witiop_expires, each followed by LF, and the value.",
        },
    }
    return {"type": "object", "required": list(properties), "properties": properties}


def _envelope(name: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "time", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**_FILLED, "description": "Unique per source; repeats have the same id."},
            "source": _FILLED,
            "type": {"const": name},
            "time": {**_TIME, "description": "When it happened."},
            "data": data,
        },
    }


def _enveloped(name: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "event-1",
        "source": "/desk" if name.startswith("witiop.agents") else "/softbot",
        "type": name,
        "time": "2026-03-02T10:00:00Z",
        "data": data,
    }


def main() -> int:
    """Writes the contract. Returns the exit code, 1 if a change is not additive."""
    http.FILE.write_text(http.text())
    broken = write(DIRECTORY)
    for line in broken:
        sys.stderr.write(f"not additive: {line}\n")
    if broken:
        sys.stderr.write("nothing was written; a breaking change needs a new type, e.g. witiop.command.transfer.v2\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
