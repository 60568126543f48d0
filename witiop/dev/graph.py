"""The stand-in for Meta's Graph API in the development stack. It has the demo's numbers and reports to the webhook."""

import secrets
from dataclasses import astuple
from pathlib import Path

from infra.local.graph.process import LocalGraph
from infra.local.graph.server import GraphOptions
from infra.local.guard import Guard
from infra.local.simulator import bike_shop
from witiop.dev.stack_file import Stack


def graph_stand_in(stack: Stack, data: Path, port: int, guard: Guard) -> LocalGraph:
    """Returns the stand-in, not started yet, and notes its address and a new token in `stack`. It reports as soon as
    the webhook answers."""
    stack.graph_token = secrets.token_urlsafe(32)
    options = GraphOptions(
        stack.graph_token,
        stack.whatsapp_app_secret,
        stack.webhook_url,
        [astuple(number) for number in bike_shop.NUMBERS],
    )
    graph = LocalGraph(data / "graph", options, port, guard=guard)
    stack.graph_url = graph.url
    return graph
