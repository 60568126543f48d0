"""`witiop dev` with our own processes, as a newcomer sees it.

The demo fills the list, mails can be read, memory stays small, and everything stops.
"""

import html
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from domain.conversations.reasons import Reason
from domain.topics import Topics
from infra.local.simulator.bike_shop import SHOP
from tests.support.console import field, hidden
from tests.support.dev_stack import Dev, free_port_base
from tests.support.graph import Graph, message
from tests.support.kafka_topics import read_all
from tests.support.process_tree import pss_bytes, still_running, tree
from tests.support.waiting import wait_until

GIB = 1024**3


def witiop_json(dev: Dev, *command: str, code: int = 0) -> Any:
    """Runs a command of the README's tour and returns its JSON."""
    argv = [sys.executable, "-m", "witiop", *command, "--json", "--stack", str(dev.data)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert code == done.returncode, done.stdout + done.stderr
    return json.loads(done.stdout)


class Demo:
    """A stack whose demo has been played. `addresses` is its ready line."""

    def __init__(self, dev: Dev) -> None:
        self.dev = dev
        self.addresses = dev.ready()
        wait_until((dev.data / "demo-played").exists)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    dev = Dev(tmp_path_factory.mktemp("demo") / "dev", free_port_base())
    try:
        yield Demo(dev)
    finally:
        if dev.process.poll() is None:
            dev.stop()


def test_the_demo_lists_every_reason_in_both_colours_and_shows_whole_conversations(demo: Demo) -> None:
    listed: dict[str, Any] = {}

    def everything_is_listed() -> bool:
        listed.update(witiop_json(demo.dev, "unmanaged", "list", "--rows", "100"))
        reasons = {row["reason"] for row in listed["rows"]}
        needs_time = {Reason.RESERVATION_EXPIRED, Reason.TAKEN_NOT_ANSWERED, Reason.UNREADABLE}
        return reasons >= {*Reason} - needs_time and listed["counts"]["closed"] >= 10

    wait_until(everything_is_listed, 20, step=0.2)
    (long_talk,) = (row for row in listed["rows"] if row["customer"]["name"] == "Luca Marchetti")
    shown = witiop_json(demo.dev, "conversations", "show", long_talk["id"])
    assert (shown["status"], shown["reason"], shown["managed"]) == ("closed", "bot_closed", False)
    assert (17, 19) == (len(shown["transcript"]), shown["entries"])  # an edit and a deletion show in place


def test_a_forwarded_conversation_can_be_read_at_the_address_of_the_ready_line(demo: Demo) -> None:
    """As in the README's tour: the result arrives, and the mail is shown at the printed address."""
    dev = demo.dev
    mails = re.search(r" mails=(\S+)", demo.addresses)
    assert mails is not None
    (row, *_) = witiop_json(dev, "unmanaged", "list", "--status", "closed", "--rows", "10")["rows"]
    fields = ("--to", "You <you@example.com>", "--body", "Please call")
    result = witiop_json(dev, "email", row["id"], *fields)
    assert ("applied", None, row["id"]) == (result["outcome"], result["reason"], result["conversation_id"])
    subject = rf"{re.escape(row['customer']['name'])}, WhatsApp, \d+ \w+</a> to you@example.com"
    wait_until(lambda: re.search(subject, html.unescape(httpx.get(mails[1]).text)) is not None)
    body = html.unescape(httpx.get(f"{mails[1]}/1").text)
    assert [] == [
        text
        for text in ("Please call", row["last_text"], row["customer"]["name"], f"/unmanaged?open={row['id']}")
        if text not in body
    ]
    held = witiop_json(dev, "email", row["id"], *fields, "--hold", "60")["command_id"]
    assert "applied" == witiop_json(dev, "recall", "--mail", held)["outcome"]
    assert [("recalled", row["id"]), ("sent", row["id"])] == [
        (mail["state"], mail["conversation_id"]) for mail in witiop_json(dev, "mails", "list")["rows"]
    ]


def test_the_administrator_named_at_the_start_can_sign_in_and_transfer_a_conversation(demo: Demo) -> None:
    """The console publishes one signed command, the command is applied, and the page shows it. Elena is not ready."""
    stack = demo.dev.stack()
    (row, *_) = witiop_json(demo.dev, "unmanaged", "list", "--status", "active", "--rows", "10")["rows"]
    dialog = f"/conversations/{row['id']}/transfer/user"
    with httpx.Client(base_url=str(stack.console_url), follow_redirects=True) as console:
        page = console.get("/").text
        fields = {"name": stack.console_user, "password": stack.console_password, "csrf": field(page, "csrf")}
        assert "Unmanaged conversations" in console.post("/sign-in", data=fields).text
        form = hidden(console.get(dialog).text.rpartition("<main")[2]) | {"to": "elena", "mode": "exclusive"}
        asked = console.post(dialog, data=form)
        wait_until(lambda: "Reserved for Elena Zanini." in console.get(asked.url).text)
    (command,) = [
        record
        for record in read_all(stack.kafka_bootstrap, Topics().commands)
        if dict(record.headers)["ce_source"] == b"/witiop/console"
    ]
    assert (row["id"], b"paolo") == (command.key, dict(command.headers)["witiop_issuer"])
    owner = witiop_json(demo.dev, "conversations", "show", row["id"])["owner"]
    assert ("user", "elena", "reserved") == (owner["kind"], owner["id"], owner["state"])
    assert str(stack.console_password) in demo.dev.log()


def test_the_doctor_finds_the_problem_of_the_demo_and_nothing_else(demo: Demo) -> None:
    findings = [(found["where"], found["fix"]) for found in witiop_json(demo.dev, "doctor", code=1)["findings"]]
    assert [("directory", "add the number to the directory file and run witiop directory apply")] == findings, (
        "its number without menu"
    )


def test_a_message_to_the_graph_stand_in_comes_back_as_statuses_and_as_the_customer_s_answer(demo: Demo) -> None:
    """Its webhooks are signed with the stack's secret, so the real webhook accepts them."""
    stack = demo.dev.stack()
    graph = Graph(str(stack.graph_url), str(stack.graph_token))
    switched = ("simulate", "graph", "--fault", "status-delays=0/0/0", "--fault", "replies=text,after=0")
    assert 2 == len(witiop_json(demo.dev, *switched)["faults"])
    sent = graph.post(message("text", {"body": "Your bike is ready"}, to="+393005550198"), SHOP.phone_number_id)
    assert 200 == sent.status, sent.content

    def read() -> bool:
        with psycopg.connect(stack.postgres_dsn) as connection:
            found = connection.execute("select rank from message_status where wamid = %s", (sent.wamid,)).fetchone()
        return found == (3,)

    def answered() -> bool:
        rows = witiop_json(demo.dev, "unmanaged", "list", "--rows", "100")["rows"]
        return [row["last_text"] for row in rows if row["customer"]["wa_id"] == "393005550198"] == ["Thank you"]

    wait_until(read)
    wait_until(answered, step=0.2)
    assert sent.wamid in [row["wamid"] for row in graph.control.ledger()]


def test_the_demo_s_shop_stays_open(demo: Demo) -> None:
    """Its agents answer who chose a skillset in the story: through the sender, so that the customer reads it and
    answers. The agent whom nobody simulates can sign in to the agents' page."""

    def answered() -> bool:
        with psycopg.connect(demo.dev.stack().postgres_dsn) as connection:
            found = connection.execute(
                "select exists (select from conversations c join sends s on s.conversation_id = c.id "
                "join entries e on e.conversation_id = c.id and e.kind = 'customer_turn' and e.at > s.requested_at "
                "where c.customer_name = 'Pietro Sala' and s.actor = 'anna' and s.state = 'read')"
            ).fetchone()
        return found == (True,)

    wait_until(answered, 40, step=0.2)
    stack = demo.dev.stack()
    assert "shop" in stack.pids
    with httpx.Client(base_url=str(stack.console_url), follow_redirects=True) as console:
        fields = {
            "name": stack.agent_user,
            "password": stack.agent_password,
            "csrf": field(console.get("/").text, "csrf"),
        }
        assert "Giada Fiore" in console.post("/sign-in", data=fields).text
        assert 200 == console.get("/desk").status_code
    assert f"sign in as {stack.agent_user} with the password {stack.agent_password}" in demo.dev.log()


def test_the_whole_system_needs_less_than_1_75_gib_and_stops_without_leaving_processes(demo: Demo) -> None:
    dev = demo.dev
    processes = {"webhook", "conversations", "commands", "routing", "mails", "timer", "relay", "console"}
    assert {"kafka", "postgres", "ses", "graph", *processes} <= dev.stack().pids.keys()
    everything = tree(dev.process.pid)
    if sys.platform == "linux":
        assert pss_bytes(dev.process.pid) < 1.75 * GIB
    assert 0 == dev.stop(), dev.log()
    assert [] == still_running(everything)
