"""A customer whose identity, texts and files are recognised wherever they turn up (I11 of reliability.md), and every
kind of update that carries them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from infra.local.simulator import bodies
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer, WebhookPost
from infra.local.simulator.chat import Story
from tests.support.graph import Graph, graph_running
from tests.support.stories import NUMBER
from tests.support.system import System
from tests.support.webhook_app import APP_SECRETS

CANARY = SimulatedCustomer("Canary Birdsong", "3906660001", "IT.6660002")
TEXT = "my card is 4000-6660003"
ACCESS_TOKEN = "EAAG6660005"
FILE_NAME = "payslip 6660004.pdf"
CONTENT = f"%PDF-1.7 {TEXT}".encode()
MARKS = ("Canary", "Birdsong", "6660001", "6660002", "6660003", "my card", "payslip", "6660004", ACCESS_TOKEN)
"""Texts that no log line, metric, response or header may contain."""

LINES = [BusinessNumber(number, "+39 06 555 0100", "330000000000001") for number in (NUMBER, "bot")]


@contextmanager
def canary_graph(system: System) -> Iterator[Graph]:
    """Meta's stand-in, which knows the canary's token and reports at once what becomes of messages."""
    url, faults = system.webhooks.url, ["status-delays=0/0/0"]
    with graph_running(token=ACCESS_TOKEN, webhook_url=url, app_secret=APP_SECRETS[0], faults=faults) as graph:
        yield graph


def every_kind_of_update() -> list[WebhookPost]:
    """Every kind of update, with a marker wherever a name, a number or a text can be."""
    story = Story("canary", datetime.now(UTC))
    for line in LINES:
        chat = story.chat(line, CANARY)
        first = chat.writes("3:00", TEXT)
        chat.shows("2:59", TEXT)
        chat.speaks("2:58")
        chat.taps("2:57", TEXT, TEXT)
        chat.reacts("2:56", first, TEXT)
        chat.edits("2:55", first, TEXT)
        chat.deletes("2:54", first)
        chat.sends("2:53", "unknown", unknown={"body": TEXT})
        chat.echoes("2:52", TEXT)
        chat.bot_starts("2:51")
        chat.bot_says("2:50", TEXT)
        chat.bot_offers("2:49", **{TEXT: TEXT})
        chat.bot_ends("2:48", TEXT)
        chat.agent_accepts("2:47", "anna")
        chat.agent_says("2:46", "anna", TEXT)
        chat.agent_message_fails("2:45", "anna", TEXT, 131047)
        chat.agent_closes("2:44", "anna", TEXT)
    broken = {"from": CANARY.wa_id, "timestamp": "1", "text": {"body": TEXT}, "contacts": CANARY.name}
    unreadable = [
        WebhookPost("whatsapp", f"{TEXT} {CANARY.name} {CANARY.wa_id}".encode()),
        bodies.from_meta(LINES[0], messages=[broken], senders=[CANARY]),
    ]
    return [each.post for each in story.posts] + unreadable


def from_canary(ago: str, text: str) -> WebhookPost:
    story = Story(text, datetime.now(UTC))
    story.chat(LINES[0], CANARY).writes(ago, text)
    (only,) = story.posts
    return only.post


def refused() -> Iterator[tuple[WebhookPost, int]]:
    """Posts that are answered with an error that explains itself."""
    event = bodies.cloud_event("softbot.message.sent", "/bot", "wrong", datetime.now(UTC), {"customer": CANARY.ids})
    for sender in ("softbot", "agents"):
        wrong = bodies.from_ours(sender, event | {"time": TEXT}, event | {"specversion": CANARY.name})
        yield wrong, 400
        yield WebhookPost(sender, TEXT.encode(), "application/cloudevents+json"), 400
        yield WebhookPost(sender, TEXT.encode(), TEXT), 400
    yield WebhookPost("whatsapp", TEXT.encode() * 200_000), 413
