"""Answers on the real stack: asked for by a command, posted to a stand-in of Meta that fails on demand, settled by its
signed statuses. The stand-in's ledger says what Meta accepted (S1)."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg import Connection

from domain.commands import SendMessage, new_command, signed
from domain.ports import OutgoingRecord
from domain.sending.callback import read_callback
from domain.sending.sends import send_id
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer
from infra.local.simulator.chat import Story
from infra.process.crash_points import EXIT_CODE
from tests.flow.conftest import Install
from tests.support.commander import Commander
from tests.support.graph import ACCOUNT, TOKEN, Graph, graph_running
from tests.support.stories import NUMBER
from tests.support.system import COMMAND_SECRET, System, Worker
from tests.support.waiting import wait_until
from tests.support.webhook_app import APP_SECRETS

OPEN, SETTLED = ("queued", "sending", "unknown"), ("read", "failed")
TEXT: dict[str, Any] = {"text": {"body": "How can we help?"}}
SHOP = BusinessNumber(NUMBER, "+39 06 555 0100", "330000000000001")
TEMPLATE: dict[str, Any] = {"template": {"name": "order_update", "language": "en", "parameters": ["Ada"]}}


class PostOffice:
    """The stack with Meta's stand-in, and customers who wrote to it. Each customer writes to a number of their own, so
    a pause of one number holds back nobody else."""

    def __init__(self, system: System, graph: Graph, connection: Connection[Any]) -> None:
        self.system = system
        self.graph = graph
        self.connection = connection
        self.senders: list[Worker] = []
        self._customers = 0
        self._commander = Commander(system.kafka, system.topics)
        self.settings = {
            "sending_enabled": True,
            "sending_in_flight": 4,
            "graph_url": graph.url,
            "whatsapp_access_token": TOKEN,
            "whatsapp_accounts": ACCOUNT,
        }

    def run_senders(self, number: int = 1, crash_at: str | None = None) -> None:
        """Lets so many senders run in place of those that run now; returns at once."""
        self.end_senders()
        for _ in range(number):
            self.add_sender(crash_at)

    def add_sender(self, crash_at: str | None = None) -> None:
        self.senders += self.system.start("sender", crash_at=crash_at, **self.settings)

    def end_senders(self) -> None:
        for sender in self.senders:
            if sender.runs:
                sender.stop()
        self.senders = []

    def customers(self, number: int) -> list[tuple[str, str]]:
        """Lets new customers write; returns phone number id and phone of each, once they are on the list."""
        first, self._customers = self._customers + 1, self._customers + number
        made = [(f"4411{n:06}", f"39333{n:07}") for n in range(first, self._customers + 1)]
        for phone_number_id, phone in made:
            self.graph.control.customer_writes(phone_number_id=phone_number_id, wa_id=phone, text="Hello?")
        phones = [phone for _, phone in made]
        wait_until(lambda: self.count("select count(*) from conversations where wa_id = any(%s)", phones) == number)
        return made

    def hears(self, number: str, phone: str, *texts: str) -> None:
        """Lets a customer write to a number, each text once the one before it was processed."""
        processed = (
            "select count(*) from entries e join conversations c on c.id = e.conversation_id "
            "where c.wa_id = %s and e.kind = 'customer_turn' and e.body = %s"
        )
        for text in texts:
            self.graph.control.customer_writes(phone_number_id=number, wa_id=phone, text=text)
            wait_until(partial(self.count, processed, phone, text))

    def posted(self, phone: str) -> list[str]:
        """Returns the texts to a customer that Meta accepted, in order."""
        bodies = (post["body"] for post in self.graph.control.posts())
        return [body["text"]["body"] for body in bodies if body.get("to") == f"+{phone}"]

    def ask(self, to: Iterable[tuple[str, str]], message: dict[str, Any] = TEXT) -> list[str]:
        """Asks for a message to each customer; returns the ids of the commands."""
        records = [self._command(number, phone, message) for number, phone in to]
        self._commander.publish([record for _, record in records])
        return [id_ for id_, _ in records]

    def _command(self, number: str, phone: str, message: dict[str, Any]) -> tuple[str, OutgoingRecord]:
        id_, now = f"{number} {datetime.now(UTC)}", datetime.now(UTC)
        data = {"phone_number_id": number, "customer": {"wa_id": phone}, "message": message}
        body = SendMessage.model_validate(data)
        command = new_command(
            body, id_=id_, source="test", issuer="boss", at=now, expires_at=now + timedelta(minutes=5)
        )
        return id_, signed(command, self.system.topics.commands, COMMAND_SECRET.encode())

    def count(self, query: str, *values: object) -> int:
        row = self.connection.execute(query, values).fetchone()
        assert row is not None
        return int(row[0])

    def states(self, commands: Iterable[str]) -> Counter[str]:
        rows = self.connection.execute("select state from sends where command_id = any(%s)", [[*commands]])
        return Counter(state for (state,) in rows)

    def state(self, command: str) -> str | None:
        return next(iter(self.states([command])), None)

    def accepted(self, commands: Iterable[str]) -> Counter[str]:
        """Counts the posts that Meta accepted, by command."""
        named = {send_id(command): command for command in commands}
        callbacks = [read_callback(text) for text in self.graph.accepted() if text]
        return Counter(named[callback.send] for callback in callbacks if callback and callback.send in named)

    def has_accepted(self, commands: Iterable[str], number: int) -> bool:
        """Returns whether Meta accepted at least so many of the posts."""
        return len(self.accepted(commands)) >= number

    def sender_is_known_dead(self) -> None:
        """As if the posts that began before now had begun half a minute ago, those of senders that died among them."""
        self.posts_are_old(datetime.now(UTC))

    def posts_are_old(self, before: datetime) -> None:
        """As if the posts that began before a time had begun half a minute earlier."""
        self.connection.execute(
            "update sends set claimed_at = claimed_at - interval '31 seconds' where state = 'sending' "
            "and claimed_at <= %s",
            [before],
        )


@pytest.fixture(scope="module")
def office(install: Install, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostOffice]:
    """The stack, shared by all tests of this module, without a sender."""
    system = install(Path(tmp_path_factory.mktemp("sending")))
    faults = ["status-delays=0/0.1/0.2"]
    with (
        graph_running(webhook_url=system.webhooks.url, app_secret=APP_SECRETS[0], faults=faults) as graph,
        psycopg.connect(system.dsn, autocommit=True) as connection,
    ):
        office = PostOffice(system, graph, connection)
        system.run("webhook", "conversations", "commands", "relay", sending_enabled=True)
        yield office
        office.end_senders()


class FaultCase(NamedTuple):
    """What becomes of a message while faults are on, and how many posts Meta accepted."""

    faults: tuple[str, ...]
    state: str
    accepted: int = 1
    message: dict[str, Any] = TEXT
    reason: str | None = None


CASES = {
    "nothing": FaultCase((), "read"),
    "a request that is cut off": FaultCase(("drop-request",), "unknown", 0),
    "an answer that is cut off": FaultCase(("drop-answer",), "read"),
    "a late answer": FaultCase(("late-answer=1",), "read"),
    "an unreadable answer": FaultCase(("unreadable-answer",), "read"),
    "a server error instead of accepting": FaultCase(("error-before=500",), "unknown", 0),
    "a server error after accepting": FaultCase(("error-after=503",), "read"),
    "an error that is final": FaultCase(("error=131026",), "failed", 0),
    "a marketing limit": FaultCase(("error=131049",), "failed", 0),
    "too fast for the number": FaultCase(("error=130429,next=2",), "read"),
    "too fast for the customer": FaultCase(("error=131056,next=1",), "read"),
    "too many calls of the app": FaultCase(("error=4/429",), "queued", 0, reason="Meta's error 4"),
    "a token that ran out": FaultCase(("error=190/401",), "queued", 0, reason="Meta's error 190"),
    "another phone in the answer": FaultCase(("other-wa-id",), "read"),
    "statuses before the answer": FaultCase(("status-first=0.5",), "read"),
    "statuses in reverse order": FaultCase(("statuses-reversed",), "read"),
    "statuses that come twice": FaultCase(("statuses-twice",), "read"),
    "no statuses": FaultCase(("no-statuses",), "accepted"),
    "statuses without callback data": FaultCase(("no-callback",), "read"),
    "no statuses before a lost answer": FaultCase(("drop-answer", "no-statuses"), "unknown"),
    "a failure later": FaultCase(("failed-later=131026",), "failed"),
    "a failure after a lost answer": FaultCase(("failed-later=131026", "drop-answer"), "failed"),
    "a paused template": FaultCase(("error=132015",), "failed", 0, TEMPLATE),
    "a template that is held and released": FaultCase(("pacing=release,after=0.5",), "read", 1, TEMPLATE),
    "a template that is held and dropped": FaultCase(("pacing=drop,after=0.5",), "failed", 1, TEMPLATE),
}


class Sent(NamedTuple):
    command: str
    phone: str


@pytest.fixture(scope="module")
def sent(office: PostOffice) -> dict[str, Sent]:
    """A message for each case, all of them at the same time. Returns case -> its command and customer."""
    office.run_senders(2)
    wait_until(lambda: office.count("select count(*) from templates") > 0)
    customers = office.customers(len(CASES))
    for case, (number, _) in zip(CASES.values(), customers, strict=True):
        office.graph.control.change(*(f"{fault},number={number}" for fault in case.faults))
    made: dict[str, Sent] = {}
    for (name, case), customer in zip(CASES.items(), customers, strict=True):
        (command,) = office.ask([customer], case.message)
        made[name] = Sent(command, customer[1])
    return made


@pytest.mark.parametrize("name", CASES)
def test_every_fault_of_meta_has_its_end_state(name: str, office: PostOffice, sent: dict[str, Sent]) -> None:
    case, (command, phone) = CASES[name], sent[name]
    wait_until(lambda: office.state(command) == case.state, 30)
    assert case.accepted == office.accepted([command])[command]
    if case.reason is not None:
        assert 1 == office.count("select count(*) from lanes where reason = %s", case.reason)
    is_answered = "select count(*) from conversations where wa_id = %s and managed and not unmanaged"
    wait_until(lambda: office.count(is_answered, phone) == (case.state in ("read", "accepted")))


def test_meta_accepts_at_most_one_post_of_each_send(office: PostOffice, sent: dict[str, Sent]) -> None:
    """S1: whatever failed, and although two senders run."""
    commands = [each.command for each in sent.values()]
    wait_until(lambda: office.states(commands)["sending"] == 0)
    accepted = office.accepted(commands)
    assert {1} == set(accepted.values())


@pytest.mark.parametrize("point", ["sender.after-claim:2", "sender.after-post-before-mark:3", "sender.mid-batch"])
def test_a_sender_that_dies_posts_nothing_twice(point: str, office: PostOffice) -> None:
    """At most as many sends are unknown as may be in flight; those that Meta took are settled by their statuses."""
    customers = office.customers(12)
    office.run_senders(crash_at=point)
    commands = office.ask(customers)
    assert EXIT_CODE == office.senders[0].wait_end()
    office.sender_is_known_dead()
    office.run_senders()
    wait_until(lambda: office.states(commands)["queued"] + office.states(commands)["sending"] == 0)
    accepted = office.accepted(commands)
    assert {1} == set(accepted.values())
    wait_until(lambda: office.states(commands)["read"] == accepted.total())
    assert {"read": accepted.total(), "unknown": 12 - accepted.total()} == {"unknown": 0, **office.states(commands)}
    assert 12 - accepted.total() <= 4


def test_senders_that_are_killed_during_load_post_nothing_twice(office: PostOffice) -> None:
    """Two of them, killed again and again; each leaves at most as many unknown as it may have in flight."""
    office.graph.control.change("latency=100")
    kills = 3
    commands: list[str] = []
    office.run_senders(2)
    for _ in range(kills):
        before = len(office.accepted(commands))
        commands.extend(office.ask(office.customers(25)))
        wait_until(partial(office.has_accepted, commands, before + 8))
        office.senders.pop(0).kill()
        killed_at = datetime.now(UTC)
        office.add_sender()
    office.graph.control.change(off=["latency"])

    def all_ended() -> bool:
        office.posts_are_old(killed_at)  # never those of senders that live, however slow the machine is
        states = office.states(commands)
        return states["queued"] + states["sending"] == 0

    wait_until(all_ended, step=1)
    accepted = office.accepted(commands)
    assert {1} == set(accepted.values())
    wait_until(lambda: office.states(commands)["read"] == accepted.total())
    assert 25 * kills - accepted.total() <= 4 * kills


def test_an_answer_leaves_the_list_and_is_read(office: PostOffice) -> None:
    """The customer writes, somebody answers on the command line, Meta accepts and reports that it was read."""
    office.run_senders()
    ((_, phone),) = office.customers(1)
    conversation = "select id::text, unmanaged from conversations where wa_id = %s"
    found = office.connection.execute(conversation, [phone]).fetchone()
    assert found is not None
    done = office.system.witiop(
        *("send", "text", "How can I help?", "--conversation", found[0], "--as", "boss", "--wait", "30", "--json"),
        sending_enabled=True,
    )
    assert 0 == done.code, done.err
    wait_until(lambda: office.count("select count(*) from sends where address = %s and state = 'read'", phone) == 1)
    wait_until(lambda: office.connection.execute(conversation, [phone]).fetchone() == (found[0], False))
    assert ["How can I help?"] == office.posted(phone)


SPEAKING = """
[[skillset]]
id = "sales"
name = "Sales"

[[number]]
phone_number_id = "4420001"
menu = {{ "1" = "sales" }}
[number.texts.en]
greeting = "Welcome!\\n{{menu}}"
wrong_choice = "Please choose:\\n{{menu}}"

[[number]]
phone_number_id = "4420002"
hours = {{ {day} = ["09:00-09:01"] }}
[number.texts.en]
greeting = "Welcome!"
out_of_hours = "We are closed."

[[number]]
phone_number_id = "4420003"
menu = {{ "1" = "sales" }}
"""
"""A number with a menu, one that is closed, and one that says nothing by itself. `day`: neither today nor tomorrow."""


def test_a_number_says_each_of_its_texts_once_and_nobody_was_answered_by_them(
    office: PostOffice, tmp_path: Path
) -> None:
    """The customers stay on the list; who writes to a number without texts gets none."""
    file = tmp_path / "directory.toml"
    day = (datetime.now(UTC) + timedelta(days=3)).strftime("%a").lower()
    file.write_text(SPEAKING.format(day=day))
    applied = office.system.witiop("directory", "apply", str(file))
    assert 0 == applied.code, applied.err
    office.run_senders()
    chooser, late, silent = phones = "393440000001", "393440000002", "393440000003"
    office.hears("4420001", chooser, "Hello?", "9", "8", "7")
    office.hears("4420002", late, "Hello?", "Anybody?")
    office.hears("4420003", silent, "Hello?", "9")
    sent = "select count(*) from sends where address = any(%s) and state = 'read' and not is_word"
    wait_until(lambda: office.count(sent, [*phones]) == 3)
    assert ["Welcome!\n1 - Sales", "Please choose:\n1 - Sales"] == office.posted(chooser)
    assert (["We are closed."], []) == (office.posted(late), office.posted(silent))
    assert 3 == office.count("select count(*) from sends where address = any(%s)", [*phones])
    listed = "select count(*) from conversations where wa_id = any(%s) and unmanaged and not managed"
    assert 3 == office.count(listed, [*phones])


def test_many_are_promised_from_the_command_line_and_an_answer_is_reserved(office: PostOffice) -> None:
    """Transfers on reply from the dry run to the answer, which comes before the menu."""
    office.run_senders()
    wait_until(lambda: office.count("select count(*) from templates") > 0)
    story = Story("asked", datetime.now(UTC))
    phones = ["393490000001", "393490000002"]
    for phone in phones:
        story.chat(SHOP, SimulatedCustomer("Ada", phone)).writes("30:00", "Is it ready?")
    for post in story.posts:
        office.system.webhooks.deliver(post.post)
    query = "select count(*) from conversations where wa_id = any(%s)"
    wait_until(lambda: office.count(query, phones) == 2)
    template = ("--template", "order_update", "--param", "Ada", "--to-skillset", "sales", "--mode", "exclusive")
    request = ("deferred", "request", "--number", NUMBER, *template, "--json")

    dry = json.loads(office.system.witiop(*request, sending_enabled=True).out)
    done = json.loads(office.system.witiop(*request, "--yes", sending_enabled=True).out)

    assert (2, []) == (len(dry["able"]), dry["results"])
    assert ["applied"] * 2 == [each["outcome"] for each in done["results"]]
    wait_until(lambda: Counter(read=2) == office.states(each["command_id"] for each in done["results"]))
    office.graph.control.customer_writes(phone_number_id=NUMBER, wa_id=phones[0], text="2")
    reserved = "select count(*) from wishes w join conversations c on c.id = w.executed_in where c.owner_id = 'sales'"
    wait_until(lambda: office.count(reserved) == 1)
    assert 1 == office.count("select count(*) from wishes where state = 'waiting'")
