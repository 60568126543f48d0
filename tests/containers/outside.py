"""Meta and Amazon for containers: stand-ins on this machine, at the address that the engine gives it."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from infra.local.ports import LOOPBACK, free_port
from infra.local.ses import CONFIGURATION_SET, KEY, REGION, SENDER, TOPIC_ARN, LocalSes
from infra.local.simulator.bike_shop import NUMBERS, SHOP
from tests.containers.engine import Docker
from tests.support.graph import Graph, graph_running

_TOKEN = "token-of-the-tests"


@dataclass(frozen=True, slots=True)
class Outside:
    """The stand-ins. `variables`: of `.env`, for an installation that uses them."""

    graph: Graph
    ses: LocalSes
    variables: Mapping[str, str]


@contextmanager
def outside(docker: Docker, directory: Path, webhook_url: str, app_secret: str) -> Iterator[Outside]:
    """Runs the stand-ins. `webhook_url`: where that of Meta reports to."""
    subnet = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}").strip()
    bridge = str(next(ip_network(subnet).hosts()))
    numbers = [(each.phone_number_id, each.display, each.account_id) for each in NUMBERS]
    with (
        LocalSes(directory / "ses") as ses,
        graph_running(token=_TOKEN, webhook_url=webhook_url, app_secret=app_secret, numbers=numbers) as graph,
        _reachable(bridge, int(ses.endpoint.rpartition(":")[2])) as ses_port,
        _reachable(bridge, int(graph.url.rpartition(":")[2])) as graph_port,
    ):
        yield Outside(
            graph,
            ses,
            {
                "WITIOP_GRAPH_URL": f"http://{bridge}:{graph_port}",
                "WITIOP_WHATSAPP_ACCESS_TOKEN": _TOKEN,
                "WITIOP_WHATSAPP_ACCOUNTS": SHOP.account_id,
                "WITIOP_SENDING_ENABLED": "true",
                "WITIOP_SES_ENDPOINT": f"http://{bridge}:{ses_port}",
                "WITIOP_SES_REGION": REGION,
                "WITIOP_SES_SENDER": SENDER,
                "WITIOP_SES_CONFIGURATION_SET": CONFIGURATION_SET,
                "WITIOP_SES_TOPIC_ARNS": TOPIC_ARN,
                "WITIOP_SES_ACCESS_KEY_ID": KEY[0],
                "WITIOP_SES_SECRET_ACCESS_KEY": KEY[1],
            },
        )


@contextmanager
def _reachable(host: str, port: int) -> Iterator[int]:
    """Passes connections to a port of `host` on to a port of the loopback address. Yields the former."""
    published = free_port()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(
        asyncio.start_server(lambda reader, writer: _pass_on(reader, writer, port), host, published)
    )
    thread = threading.Thread(target=loop.run_forever, name=f"port {published}")
    thread.start()
    try:
        yield published
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Passes one connection on, both ways, until either end closes it."""
    far_reader, far_writer = await asyncio.open_connection(LOOPBACK, port)
    ways = [_copy(reader, far_writer), _copy(far_reader, writer)]
    _, left = await asyncio.wait([asyncio.ensure_future(way) for way in ways], return_when=asyncio.FIRST_COMPLETED)
    for way in left:
        way.cancel()
    for end in (writer, far_writer):
        end.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
