"""Fuzzes the HTTP interfaces of docs/openapi.json with schemathesis: the webhooks of a real process, and its monitor.
Bodies are signed, so that they are read. Every answer is one that the document has."""

import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from tests.support.kafka_topics import new_topics
from tests.support.servers import kafka_bootstrap
from tests.support.webhook_app import AGENTS_SECRET, APP_SECRETS, SOFTBOT_SECRET, from_meta, signature
from tests.support.webhook_process import WebhookProcess, webhook_process
from witiop.contract import http

_SECRETS = {"/webhooks/softbot": SOFTBOT_SECRET, "/webhooks/agents": AGENTS_SECRET}
_EXAMPLES = 100_000


class _Over(Exception):
    """The time is over."""


def fuzz(seconds: float, seed: int) -> list[str]:
    """Sends requests for so long. Returns what was found, one line each."""
    schemathesis: Any = import_module("schemathesis")  # installed by `make fuzz` only
    schema = schemathesis.openapi.from_dict(http.openapi())
    asked: Counter[tuple[str, int]] = Counter()
    found: dict[tuple[str, str], str] = {}
    with TemporaryDirectory(prefix="witiop-fuzz-") as directory, kafka_bootstrap(Path(directory) / "kafka") as kafka:
        topics = new_topics(kafka)
        with webhook_process(kafka, topics, Path(directory)) as webhook:
            operations = [
                (path, method)
                for path, item in http.openapi()["paths"].items()
                for method in item
                if method in ("get", "post") and any("webhooks" in each["description"] for each in item["servers"])
            ]
            for path, method in operations:
                until = time.monotonic() + seconds / len(operations)
                operation = schema[path][method.upper()]

                attempt = partial(_attempt, webhook, path, until, asked, found)
                with suppress(_Over):
                    _many(operation.as_strategy(), seed, attempt)()
            failures = [line for line in webhook.worker.log_text().splitlines() if "webhook.failed" in line]
            found |= {("log", line): line for line in failures}
    print(f"api: {asked.total()} requests: {dict(sorted(asked.items()))}")
    return sorted(found.values())


def _many(cases: Any, seed: int, attempt: Callable[[Any], None]) -> Callable[[], None]:
    """Returns what makes an attempt with each case that is drawn."""

    @seeded(seed)
    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def ask(case: Any) -> None:
        attempt(case)

    return ask


def _attempt(
    webhook: WebhookProcess,
    path: str,
    until: float,
    asked: Counter[tuple[str, int]],
    found: dict[tuple[str, str], str],
    case: Any,
) -> None:
    if time.monotonic() > until:
        raise _Over
    checks = import_module("schemathesis.specs.openapi.checks")
    answer = _send(webhook, case, path)
    asked[path, answer.status_code] += 1
    if answer.status_code == 503 and path.startswith("/webhooks"):
        return  # the broker of this machine is slower than the requests
    try:
        case.validate_response(
            _as_response(answer), checks=[checks.status_code_conformance, checks.content_type_conformance]
        )
    except BaseExceptionGroup as error:
        found[path, str(answer.status_code)] = f"{path}: {answer.status_code}: {_first_line(error)}"


def _send(webhook: WebhookProcess, case: Any, path: str) -> httpx.Response:
    """Sends a case, signed as its sender would."""
    import requests

    arguments = case.as_transport_kwargs(base_url=f"http://127.0.0.1:{webhook.port}")
    prepared: Any = requests.Request(
        **{
            name: arguments[name]
            for name in ("method", "url", "headers", "params", "json", "data")
            if name in arguments
        }
    ).prepare()
    content = prepared.body or b""
    content = content.encode() if isinstance(content, str) else bytes(content)
    headers = {name: str(value) for name, value in prepared.headers.items() if name.lower() != "content-length"}
    if path == "/webhooks/whatsapp":
        headers |= {"X-Hub-Signature-256": from_meta(content, APP_SECRETS[0])["X-Hub-Signature-256"]}
    elif path in _SECRETS:
        headers |= {"X-Witiop-Signature-256": signature(content, _SECRETS[path])}
    return webhook.http.request(str(prepared.method), str(prepared.url), content=content, headers=headers)


def _as_response(answer: httpx.Response) -> Any:
    """The answer as the library's checks expect it."""
    import requests

    made: Any = import_module("schemathesis.core.transport").Response
    headers = {name: answer.headers.get_list(name) for name in answer.headers}
    request = requests.Request(answer.request.method, str(answer.request.url)).prepare()
    return made(answer.status_code, headers, answer.content, request, 0.0, False)


def _first_line(error: BaseExceptionGroup[BaseException]) -> str:
    return json.dumps((str(error.exceptions[0]).splitlines() or [type(error.exceptions[0]).__name__])[0])
