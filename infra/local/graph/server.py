"""The stand-in behind the product's own HTTP server. Answers are delayed by timers, so no call waits for another."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from infra.local.graph.accounts import BusinessAccounts
from infra.local.graph.api import GraphApi, GraphCall
from infra.local.graph.faults import FaultBoard
from infra.local.graph.ledger import AcceptedLedger
from infra.local.graph.media import MediaStore
from infra.local.graph.outlet import WebhookOutlet
from infra.local.graph.sends import GraphAnswer, GraphState
from infra.local.graph.templates import TemplateStore
from infra.local.simulator.bodies import BusinessNumber
from infra.local.simulator.webhooks import Webhooks
from infra.serving.http_connection import Request
from infra.serving.limits import RequestLimits
from infra.serving.response import Response

LIMITS = RequestLimits(
    body_bytes=101 * 1024 * 1024,
    buffered_bytes=512 * 1024 * 1024,
    head_seconds=300,  # clients keep their connections for later messages
    body_seconds=60,
    connections=4096,
    waiting_per_address=4096,
)
_WEBHOOK_TIMEOUT_SECONDS = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class GraphOptions:
    """How a stand-in starts. `webhook_url`: the base address of the product's webhooks; None to report nothing.
    `app_secret`: signs what is reported. `numbers`: (phone number id, display number, account id); all others exist as
    soon as they are used. `faults`: as in `infra.local.graph.faults`."""

    token: str
    app_secret: str = ""
    webhook_url: str | None = None
    numbers: Sequence[tuple[str, str, str]] = ()
    faults: Sequence[str] = ()


class GraphStandIn:
    """The stand-in as `infra.serving.worker.Servable`."""

    def __init__(self, options: GraphOptions) -> None:
        self._options = options
        self._handler: GraphHandler | None = None

    def is_ready(self) -> bool:
        """Needs no other server."""
        return True

    def rejected(self, reason: str) -> None:
        """Logs a request that the server rejected."""
        log.info("graph.rejected", reason=reason)

    def close(self) -> None:
        """Has nothing to free: the handler closes itself."""

    def handler(self, _: RequestLimits) -> "GraphHandler":
        """Returns the handler of a new worker. Raises FaultSyntaxError."""
        self._handler = GraphHandler(self._options)
        return self._handler

    def end_streams(self) -> None:
        """Gives up the answers that are not due yet; a fault may have delayed them by minutes."""
        if self._handler is not None:
            self._handler.give_up()


class GraphHandler:
    """Answers the requests of one worker. Must be created in the event loop."""

    def __init__(self, options: GraphOptions) -> None:
        accounts = BusinessAccounts([BusinessNumber(*number) for number in options.numbers])
        faults = FaultBoard()
        faults.change(on=options.faults)
        webhooks = None
        if options.webhook_url is not None:
            webhooks = Webhooks(options.webhook_url, {"whatsapp": options.app_secret}, _WEBHOOK_TIMEOUT_SECONDS)
        self._outlet = WebhookOutlet(webhooks, accounts, lambda: self._api.pause_left(time.time()) > 0)
        state = GraphState(accounts, TemplateStore(), MediaStore(), faults, AcceptedLedger())
        self._api = GraphApi(options.token, state, self._outlet)
        self._loop = asyncio.get_running_loop()
        self._delayed: dict[Request, asyncio.TimerHandle] = {}
        self._outlet.start()

    def handle(self, request: Request) -> None:
        """Answers a request, after its delay."""
        try:
            answer = self._api.answer(_call(request), time.time())
        except Exception as error:  # a defect of the stand-in must not look like a fault that was switched on
            log.error("graph.failed", error=type(error).__name__, path=request.head.environ["PATH_INFO"])
            answer = GraphAnswer(b"the stand-in failed", 500, "text/plain")
        if answer.delay > 0:
            self._delayed[request] = self._loop.call_later(answer.delay, self._respond, request, answer)
        else:
            self._respond(request, answer)

    def reject_late(self) -> None:
        """Does nothing: answers may be as late as faults make them."""

    def give_up(self) -> None:
        """Closes the connections that wait for a delayed answer."""
        for request, timer in self._delayed.items():
            timer.cancel()
            request.connection.abort()
        self._delayed.clear()

    def close(self) -> None:
        """Stops reporting."""
        self._outlet.close()

    def _respond(self, request: Request, answer: GraphAnswer) -> None:
        self._delayed.pop(request, None)
        if answer.dropped:
            request.connection.abort()
        else:
            headers = [("Content-Type", answer.media_type)]
            request.connection.respond(request, Response(answer.status, headers, answer.content))


def _call(request: Request) -> GraphCall:
    environ = request.head.environ
    return GraphCall(
        request.head.method,
        environ["PATH_INFO"],
        environ["QUERY_STRING"],
        environ.get("HTTP_AUTHORIZATION", ""),
        environ.get("CONTENT_TYPE", ""),
        environ.get("HTTP_HOST", "localhost"),
        request.body.getvalue(),
    )
