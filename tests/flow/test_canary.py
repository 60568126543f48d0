"""I11: the identity of a customer, the messages, the files and the access token are where they belong, and nowhere
else: no log line, metric, page or header of a topic has them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import Connection

from domain.commands import SendMessage, new_command, signed
from infra.local.ses import BUCKET, KEY, REGION, LocalSes
from infra.local.simulator.bodies import WebhookPost, signature
from tests.support.canary import (
    ACCESS_TOKEN,
    CANARY,
    CONTENT,
    FILE_NAME,
    MARKS,
    TEXT,
    canary_graph,
    every_kind_of_update,
    from_canary,
    refused,
)
from tests.support.commander import Commander
from tests.support.graph import ACCOUNT, Graph
from tests.support.kafka_topics import read_all
from tests.support.outcome import facts_of, has_arrived
from tests.support.stories import NUMBER
from tests.support.system import COMMAND_SECRET, System, Worker
from tests.support.waiting import wait_until
from tests.support.webhook_app import AGENTS_SECRET, APP_SECRETS, SOFTBOT_SECRET


@pytest.fixture
def graph(system: System) -> Iterator[Graph]:
    with canary_graph(system) as graph:
        yield graph


@pytest.fixture
def workers(system: System, graph: Graph, tmp_path: Path) -> Iterator[list[Worker]]:
    with LocalSes(tmp_path / "s3") as s3:
        yield system.run(
            *("webhook", "conversations", "commands", "timer", "relay", "sender", "media"),
            log_level="debug",
            sending_enabled=True,
            graph_url=graph.url,
            whatsapp_access_token=ACCESS_TOKEN,
            whatsapp_accounts=ACCOUNT,
            media_bucket=BUCKET,
            media_region=REGION,
            media_endpoint=s3.endpoint,
            media_access_key_id=KEY[0],
            media_secret_access_key=KEY[1],
        )


def test_customers_texts_files_and_the_token_are_in_no_log_no_metric_no_response_and_no_header(
    system: System, graph: Graph, workers: list[Worker]
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

        a_file_is_kept(graph, connection)
        answers_are_sent(system, graph, connection)

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
    records = [record for topic in system.topics.all for record in read_all(system.kafka, topic)]
    assert {system.topics.inbound, system.topics.results, system.topics.messages} <= {r.topic for r in records}
    headers = [str(record.headers) for record in records]
    for text in (*responses.texts, *system.logs(), *headers):
        assert [] == [mark for mark in MARKS if mark.lower() in text.lower()]


def a_file_is_kept(graph: Graph, connection: Connection[Any]) -> None:
    """The customer sends a file, which is fetched, and one that Meta does not have."""
    files = [graph.upload(CONTENT, "application/pdf", NUMBER).json["id"], "7700000000000"]
    for meta_id in files:
        document = {"id": meta_id, "filename": FILE_NAME, "caption": TEXT, "mime_type": "application/pdf"}
        message = {"type": "document", "document": document}
        graph.control.customer_writes(phone_number_id=NUMBER, wa_id=CANARY.wa_id, name=CANARY.name, message=message)
    tried = "select count(*) from media where meta_id = any(%s) and (state = 'stored' or reason is not null)"
    wait_until(lambda: connection.execute(tried, [files]).fetchone() == (2,))


def answers_are_sent(system: System, graph: Graph, connection: Connection[Any]) -> None:
    """Answers that are read, refused, lost, or not understood, and one that waits for a new token."""
    wait_until(lambda: connection.execute("select count(*) from templates").fetchone() != (0,))
    text, template = {"text": {"body": TEXT}}, {"name": "order_update", "language": "en", "parameters": [CANARY.name]}
    cases: list[tuple[dict[str, Any], list[str], str]] = [
        (text, [], "read"),
        ({"template": template}, [], "read"),
        (text, ["error=131026"], "failed"),
        (text, ["drop-request"], "unknown"),
        (text, ["token-expired"], "queued"),
    ]
    states = "select count(*) from sends where state = %s"
    for number, (message, faults, state) in enumerate(cases):
        before = connection.execute(states, [state]).fetchone() or (0,)
        graph.control.change(*faults, off=["error", "drop-request"])
        asks(system, f"answer {number}", message)
        wait_until(partial(has_more, connection, states, state, before[0]))
    asks(system, "without parameters", {"template": {**template, "parameters": []}})
    results = "select count(*) from command_audit where outcome = 'rejected'"
    wait_until(lambda: connection.execute(results).fetchone() == (1,))
    wait_until(lambda: connection.execute("select reason from lanes where paused_until > now()").fetchone() is not None)


def asks(system: System, id_: str, message: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    data = {"phone_number_id": NUMBER, "customer": {"wa_id": CANARY.wa_id}, "message": message}
    body, expires_at = SendMessage.model_validate(data), now + timedelta(minutes=5)
    command = new_command(body, id_=id_, source="test", issuer="boss", at=now, expires_at=expires_at)
    Commander(system.kafka, system.topics).publish([signed(command, system.topics.commands, COMMAND_SECRET.encode())])


def has_more(connection: Connection[Any], query: str, state: str, number: int) -> bool:
    (found,) = connection.execute(query, [state]).fetchone() or (0,)
    return int(found) > number


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
