"""I11: the identity of a customer and the messages are in the database and on the topics, and nowhere else."""

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import psycopg
import pytest

from infra.local.simulator import bodies
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer, WebhookPost, signature
from infra.local.simulator.chat import Story
from tests.support.outcome import facts_of, has_arrived
from tests.support.stories import NUMBER
from tests.support.system import System, Worker
from tests.support.waiting import wait_until
from tests.support.webhook_app import AGENTS_SECRET, APP_SECRETS, SOFTBOT_SECRET

CANARY = SimulatedCustomer("Canary Birdsong", "3906660001", "IT.6660002")
TEXT = "my card is 4000-6660003"
MARKS = ("Canary", "Birdsong", "6660001", "6660002", "6660003", "my card")
"""Texts that no log line, metric or response may contain."""

LINES = [BusinessNumber(number, "+39 06 555 0100", "330000000000001") for number in (NUMBER, "bot")]


@pytest.fixture
def workers(system: System) -> Iterator[list[Worker]]:
    yield system.run("webhook", "conversations", "timer", "relay", log_level="debug")


def test_names_numbers_and_texts_occur_in_no_log_no_metric_and_no_response(
    system: System, workers: list[Worker]
) -> None:
    responses = Responses()
    posts = every_kind_of_update()
    for post in posts:
        assert 200 == responses.post(system, post)
    with psycopg.connect(system.dsn, autocommit=True) as connection:
        wait_until(lambda: has_arrived(connection, facts_of(posts)))

        for post, status in refused():
            assert status == responses.post(system, post)
        assert 401 == responses.post(system, posts[0], secret="not-ours")

        # the database rejects the text and quotes it in its error
        connection.execute("alter table entries add constraint no_poetry check (body not like '%6660003 poetry%')")
        assert 200 == responses.post(system, from_canary("0:01", f"{TEXT} poetry"))
        wait_until(
            lambda: connection.execute("select from set_aside where reason = 'SQLSTATE 23514'").fetchone() is not None
        )

        responses.pages(workers)

        # a defect stops the partition while it processes a batch, another one ends the process
        connection.execute("alter table entries rename column body to gone")
        consumer = next(worker for worker in workers if worker.name == "conversations")
        assert 200 == responses.post(system, from_canary("0:01", f"{TEXT} again"))
        wait_until(lambda: "is stopped: a defect of the program" in str(consumer.not_ready_reason()))
        connection.execute("alter table consumer_offsets rename column caught_up_to to gone")
        assert 1 == consumer.wait_end()

    for event in (
        "webhook.unreadable",
        "consumer.dead_letter",
        "consumer.poison_storm",
        "process.failed",
    ):  # each of these was logged
        assert any(f'"event": "{event}"' in log for log in system.logs())
    for text in (*responses.texts, *system.logs()):
        assert [] == [mark for mark in MARKS if mark.lower() in text.lower()]


class Responses:
    """All responses of the processes."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def post(self, system: System, post: WebhookPost, secret: str | None = None) -> int:
        own = {"whatsapp": APP_SECRETS[0], "softbot": SOFTBOT_SECRET, "agents": AGENTS_SECRET}[post.sender]
        header = "X-Hub-Signature-256" if post.sender == "whatsapp" else "X-Witiop-Signature-256"
        answer = httpx.post(
            f"{system.webhooks.url}/webhooks/{post.sender}",
            content=post.body,
            headers={header: signature(secret or own, post.body), "Content-Type": post.content_type},
        )
        self.texts.append(f"{answer.headers} {answer.text}")
        return answer.status_code

    def pages(self, workers: list[Worker]) -> None:
        for worker in workers:
            self.texts += [worker.metrics(), str(worker.not_ready_reason())]


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
