"""The demo's shop while it is open: its agents and its customers, who look around every two seconds."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from http.client import HTTPException
from io import BytesIO
from typing import Any

import psycopg
from psycopg import Connection

from domain.commands import SendMessage, new_command, signed
from domain.directory import Directory
from domain.messages.outgoing import OutgoingMessage, TextMessage
from domain.ports import Publisher, PublishFailed
from domain.routing.agents import PRESENCE_TIMEOUT
from infra.graph.access import GraphAccess, GraphClient
from infra.graph.media import GraphMedia, Uploaded
from infra.local.errors import LocalServerError
from infra.local.graph.control import GraphControl
from infra.local.graph.faults import recipient_key
from infra.local.simulator import bike_shop
from infra.local.simulator.customer_files import SimulatedFile, Uploader
from infra.local.simulator.customers import ReceivedMessage, ShopCustomers
from infra.local.simulator.desk import Desk, DeskText, OwnedConversation
from infra.local.simulator.visits import Seat, chooses_from_menu
from infra.local.simulator.webhooks import Webhooks
from infra.postgres.connections.pool import connect
from infra.postgres.conversations import story
from infra.process.clock import utc_now

_STEP_SECONDS = 2.0
_PUBLISH_SECONDS = 10.0
_SOURCE = "/simulator/desk"
_EXPIRES_AFTER = timedelta(minutes=5)


class OpenShop:
    """The shop. `directory`: the demo's; `upload`, `send`: see `ShopCustomers` and `Desk`."""

    def __init__(
        self,
        dsn: str,
        directory: Directory,
        webhooks: Webhooks,
        graph: GraphControl,
        upload: Uploader,
        send: Callable[[DeskText], None],
    ) -> None:
        self._dsn = dsn
        self._agents = [id_ for id_, user in directory.users.items() if user.level == "agent"]
        self._numbers = [number.phone_number_id for number in bike_shop.NUMBERS]
        self._graph = graph
        self._seen: int | None = None
        self._desk = Desk(webhooks.deliver, send)
        self._customers = ShopCustomers(webhooks.deliver, upload, bike_shop.customers(utc_now()), bike_shop.NUMBERS)

    def run(self, echo: Callable[[str], None]) -> None:
        """Never returns. What fails for a time is tried again; `echo` gets each new reason."""
        reason = ""
        while True:
            try:
                with closing(connect(self._dsn, "simulator", autocommit=True)) as connection:
                    while True:
                        self._step(connection, utc_now())
                        time.sleep(_STEP_SECONDS)
            except (psycopg.OperationalError, OSError, HTTPException, LocalServerError, PublishFailed) as error:
                if str(error) != reason:
                    reason = str(error)
                    echo(f"the shop waits: {reason}")
                time.sleep(_STEP_SECONDS)

    def _step(self, connection: Connection[Any], now: datetime) -> None:
        agents = story.simulated_agents(connection, self._agents)
        rows = story.owned_by(connection, agents, self._numbers)
        self._desk.step(now, agents, [_owned(row) for row in rows])
        self._customers.get(self._received(), now)
        seats = [Seat(*person) for person in story.ready_people(connection, PRESENCE_TIMEOUT)]
        waiting = story.phones_with_conversation(connection, bike_shop.SHOP.phone_number_id)
        self._customers.begin_slot(now, waiting, seats)
        self._customers.step(now)

    def _received(self) -> list[ReceivedMessage]:
        """Returns what the Graph API accepted since the last call; at first, nothing."""
        if self._seen is None:
            self._seen, _ = self._graph.accepted_since(0)
            return []
        self._seen, accepted = self._graph.accepted_since(self._seen)
        if not accepted:
            return []
        bodies = {post["wamid"]: post["body"] for post in self._graph.posts()}
        return [_received(each, bodies[each["wamid"]]) for each in accepted if each["wamid"] in bodies]


def _received(accepted: Mapping[str, Any], body: Mapping[str, Any]) -> ReceivedMessage:
    template = body.get("template")
    return ReceivedMessage(
        accepted["phone_number_id"],
        recipient_key(accepted["to"]),
        accepted["wamid"],
        body.get("type", "text"),
        (template["name"], template["language"]["code"]) if template else None,
    )


def _owned(row: story.DeskRow) -> OwnedConversation:
    phone = row.wa_id or ""
    return OwnedConversation(
        row.id,
        row.agent_id,
        row.accepted,
        name=row.agent_name,
        may_decline=chooses_from_menu(phone),
        speaks_italian=phone.startswith("39"),
        turn=row.turn,
        turn_at=row.turn_at,
        words=row.words,
        word_at=row.word_at,
    )


def sends_with(publisher: Publisher, topic: str, secret: bytes) -> Callable[[DeskText], None]:
    """Returns a function that publishes the command by which an agent writes. It raises PublishFailed."""

    def send(text: DeskText) -> None:
        now = utc_now()
        body = SendMessage(
            conversation_id=text.conversation_id, message=OutgoingMessage(text=TextMessage(body=text.text))
        )
        command = new_command(
            body, id_=text.command_id, source=_SOURCE, issuer=text.agent_id, at=now, expires_at=now + _EXPIRES_AFTER
        )
        publisher.publish([signed(command, topic, secret)], _PUBLISH_SECONDS)

    return send


def uploads_to(access: GraphAccess) -> Uploader:
    """Returns a function that uploads a file for a number and returns its id. It raises LocalServerError."""
    media = GraphMedia(GraphClient(access))

    def upload(phone_number_id: str, file: SimulatedFile) -> str:
        content = file.content
        done = media.upload(phone_number_id, file.name, file.mime_type, BytesIO(content), len(content))
        if not isinstance(done, Uploaded):
            raise LocalServerError(f"{file.name} was not uploaded: {done}")
        return done.meta_id

    return upload
