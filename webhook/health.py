"""What a load balancer asks: is it alive, and able to do its work?"""

from flask import Blueprint, Response, jsonify

from domain.ports import Publisher


def health_pages(publisher: Publisher) -> Blueprint:
    """`GET /healthz`: 200 while requests are answered. `GET /readyz`: 200 when a body could be kept, else 503; both
    list in `missing` what it lacks. Neither ever waits."""
    health = Blueprint("health", __name__)

    @health.get("/healthz")
    def alive() -> Response:
        return jsonify(alive=True)

    @health.get("/readyz")
    def ready() -> tuple[Response, int]:
        missing = list(publisher.not_ready_reasons())
        return jsonify(ready=not missing, missing=missing), 503 if missing else 200

    return health
