"""A minimal webhook behind our own server: the ceiling for `benchmarks.webhook`.

`python -m benchmarks.ceilings.bare_webhook BOOTSTRAP TOPIC PORT` serves it until SIGTERM.
"""

import hmac
import sys
from functools import partial
from typing import Any

from flask import Flask, Response, abort, request
from kafka import KafkaProducer

from infra.kafka.config import KafkaConfig
from infra.kafka.producer_client import PRODUCER_OPTIONS
from infra.local.ports import LOOPBACK
from infra.serving.limits import RequestLimits
from infra.serving.server import serve
from infra.serving.worker import ServedApp
from tests.support.webhook_app import APP_SECRETS
from webhook.app import MAX_BODY_BYTES

_ACKNOWLEDGED_SECONDS = 2.5


def served(bootstrap: str, topic: str) -> ServedApp:
    """Builds a worker with one view and one producer."""
    options = {**PRODUCER_OPTIONS, **KafkaConfig((bootstrap,)).client_options()}
    producer: Any = KafkaProducer(**options)  # type: ignore[no-untyped-call]
    app = Flask(__name__, static_folder=None)

    @app.post("/webhooks/whatsapp")
    def receive() -> Response:
        body = request.get_data(cache=False)
        expected = "sha256=" + hmac.new(APP_SECRETS[0].encode(), body, "sha256").hexdigest()
        if not hmac.compare_digest(expected, request.headers.get("X-Hub-Signature-256", "")):
            abort(401)
        producer.send(topic, body).get(timeout=_ACKNOWLEDGED_SECONDS)
        return Response(status=200)

    return ServedApp(app, lambda _: None, producer.close)


if __name__ == "__main__":
    bootstrap, topic, port = sys.argv[1:]
    serve(partial(served, bootstrap, topic), RequestLimits(body_bytes=MAX_BODY_BYTES), host=LOOPBACK, port=int(port))
