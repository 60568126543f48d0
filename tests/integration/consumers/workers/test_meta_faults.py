"""What a sender and the synchronisation do with faults of Meta that concern more than one message: the stand-in over a
real socket, the product's own client, and a real database. Faults of single messages are in
`tests/flow/test_sending.py`."""

from collections.abc import Iterator
from typing import Any

import pytest

from consumers.workers.graph_sync import GraphSync
from consumers.workers.sender import MessageSender
from domain.sending.sends import send_id
from domain.topics import Topics
from infra.graph.access import GraphAccess, GraphClient
from infra.graph.messages import GraphMessages
from infra.graph.reader import GraphReader
from infra.postgres.connections.hints import SYNC
from infra.postgres.sending import sends
from infra.postgres.sending.library import templates
from infra.postgres.setup.record import setup_record
from tests.support.graph import ACCOUNT, TOKEN, Graph, graph_running
from tests.support.sending_room import NoWakeups, SendingRoom, open_room
from tests.support.stories import NUMBER

PHONES = [f"39333000000{n}" for n in range(4)]


@pytest.fixture
def meta() -> Iterator[Graph]:
    with graph_running(numbers=((NUMBER, "+39 06 555 0100", ACCOUNT),)) as graph:
        yield graph


class Shop:
    """A number whose sender posts to the stand-in, with the templates that Meta has."""

    def __init__(self, room: SendingRoom, meta: Graph) -> None:
        self.room, self.meta = room, meta
        self.db = room.office.connection
        client = GraphClient(GraphAccess(meta.url, "v24.0", TOKEN, read_seconds=0.4))
        self.sender = MessageSender(room.session.transaction, GraphMessages(client), Topics(), NoWakeups())
        self.sync = GraphSync(room.session.transaction, GraphReader(client), [ACCOUNT], NoWakeups())

    def asks(self, name: str, phone: str, hours_ago: float = 1, **message: Any) -> list[tuple[str, str | None]]:
        """Asks for a message to a customer who wrote that long ago; returns the results of the command."""
        conversation = self.room.office.customer_writes(phone=phone, hours_ago=hours_ago)
        return self.room.ask("", name, "boss", conversation_id=str(conversation), message=message)

    def asks_for_template(self, name: str, phone: str, hours_ago: float = 30) -> list[tuple[str, str | None]]:
        template = {"name": "order_update", "language": "en", "parameters": ["Ada"]}
        return self.asks(name, phone, hours_ago, template=template)

    def work(self) -> None:
        """Lets the sender work until no post is under way and nothing can be claimed."""
        self.sender.poll()
        while not self.sender.is_idle:
            self.sender.poll()

    def pause_is_over(self) -> None:
        self.db.execute("update lanes set paused_until = now(), templates_paused_until = now()")

    def states(self, *names: str) -> list[str]:
        return [self.room.state(name) for name in names]

    def accepted(self) -> int:
        """Returns how many posts of this shop Meta accepted."""
        return len(self.meta.accepted())

    def lane(self) -> tuple[Any, ...]:
        """Returns whether the number and its templates are paused, and why."""
        (row,) = self.db.execute(
            "select coalesce(paused_until > now(), false), coalesce(templates_paused_until > now(), false), reason "
            "from lanes"
        ).fetchall()
        return tuple(row)


@pytest.fixture
def shop(database: str, meta: Graph) -> Iterator[Shop]:
    with open_room(database) as room:
        shop = Shop(room, meta)
        shop.sync.poll()
        room.office.may_send(50)
        yield shop
        shop.sender.end()


def test_people_whom_meta_would_refuse_are_not_tried(shop: Shop) -> None:
    """`people`: the limit is read, so the third template waits, the number is not paused, and texts go on."""
    shop.meta.control.change("people=2")
    shop.sync.poll()
    for name, phone in zip("abc", PHONES, strict=False):
        assert [("applied", None)] == shop.asks_for_template(name, phone)
    shop.asks("text", PHONES[3], text={"body": "Hello"})
    shop.work()
    assert ["accepted", "accepted", "queued", "accepted"] == shop.states("a", "b", "c", "text")
    assert (False, False, None) == shop.lane()
    shop.meta.control.change(off=["people"])
    shop.sync.poll()
    shop.sender._people._count_at = 0
    shop.work()
    assert (["accepted"], 4) == (shop.states("c"), shop.accepted())


def test_a_limit_of_people_that_others_used_up_pauses_templates_and_nothing_else(shop: Shop) -> None:
    """`people`: another system wrote to them. What was refused waits and leaves once Meta takes it."""
    shop.meta.control.change("people=1")
    for name, phone in zip("ab", PHONES, strict=False):
        shop.asks_for_template(name, phone)
    shop.work()
    assert ["accepted", "queued"] == sorted(shop.states("a", "b"))
    assert (False, True, "Meta's error 131048") == shop.lane()
    shop.asks("text", PHONES[2], text={"body": "Hello"})
    shop.work()
    assert ["accepted"] == shop.states("text")
    shop.meta.control.change(off=["people"])
    shop.pause_is_over()
    shop.work()
    assert ["accepted"] * 2 == shop.states("a", "b")
    assert ((False, False, None), 3) == (shop.lane(), shop.accepted())


def test_a_number_that_is_too_fast_slows_down_and_loses_nothing(shop: Shop) -> None:
    """`throughput`: what Meta refuses waits, at half the rate."""
    shop.meta.control.change("throughput=1")
    for name, phone in zip("abcd", PHONES, strict=True):
        shop.asks(name, phone, text={"body": "Hello"})
    shop.work()
    assert "queued" in shop.states(*"abcd")
    assert (True, False, "Meta's error 130429") == shop.lane()
    ((slowdown,),) = shop.db.execute("select slowdown from lanes").fetchall()
    assert slowdown < 0.6
    shop.meta.control.change(off=["throughput"])
    shop.pause_is_over()
    while "queued" in shop.states(*"abcd"):
        shop.work()
    assert (["accepted"] * 4, 4) == (shop.states(*"abcd"), shop.accepted())


def test_which_apps_get_an_accounts_webhooks_is_asked_with_metas_clock(shop: Shop) -> None:
    """For the page *Set-up*: without a subscription Meta stays silent."""
    (account,) = setup_record(shop.db).accounts
    assert (None, ["WitiOp"]) == (account.failure, account.apps)
    assert account.clock_ahead is not None and abs(account.clock_ahead) < 2
    assert 200 == shop.meta.call("DELETE", f"/v24.0/{ACCOUNT}/subscribed_apps").status
    shop.sync.poll()
    assert [] == setup_record(shop.db).accounts[0].apps
    shop.meta.control.change("token-expired")
    shop.sync.poll()
    (account,) = setup_record(shop.db).accounts
    assert ("Meta's error 190", []) == (account.failure, account.apps)


def test_a_template_that_is_paused_meanwhile_fails_and_is_offered_no_more(shop: Shop) -> None:
    """`template-paused`: the refusal makes the synchronisation read it again."""
    shop.asks_for_template("a", PHONES[0])
    shop.meta.control.change("template-paused=order_update")
    shop.db.execute(f"listen {SYNC}")
    shop.work()
    assert [SYNC] == [asked.channel for asked in shop.db.notifies(timeout=5, stop_after=1)]
    assert (["failed"], 132015, 0) == (shop.states("a"), shop.room.send("a").error, shop.accepted())
    shop.sync.poll()
    assert [("rejected", "template_not_approved")] == shop.asks_for_template("b", PHONES[1])
    shop.meta.control.change(off=["template-paused"])
    shop.sync.poll()
    assert [("applied", None)] == shop.asks_for_template("c", PHONES[2])
    shop.work()
    assert ["accepted"] == shop.states("c")


def test_a_template_whose_text_meta_lets_be_edited_is_shown_as_it_is_now(shop: Shop) -> None:
    """`template-text`: what is asked for after the next synchronisation says what the customer reads, and parameters
    are checked against the new text. What was asked for before is posted with the parameters that it had."""
    before = {template.fingerprint for template in templates(shop.db, "order_update")}
    shop.asks_for_template("a", PHONES[0])
    shop.meta.control.change("template-text=order_update/Dear {{1}}, come and get it.")
    shop.work()
    shop.sync.poll()
    assert before.isdisjoint(template.fingerprint for template in templates(shop.db, "order_update"))
    shop.asks_for_template("b", PHONES[1])
    shop.work()
    assert ["accepted", "accepted"] == shop.states("a", "b")
    assert "Dear Ada, come and get it." == shop.room.send("b").text
    shop.meta.control.change("template-text=order_update/Come and get it.")
    shop.sync.poll()
    assert [("rejected", "parameters_wrong")] == shop.asks_for_template("c", PHONES[2])


def test_when_meta_stands_still_what_it_takes_is_unknown_and_not_repeated(shop: Shop) -> None:
    """`pause`: the answer comes after the time-out. Everything else of the number goes on, and a status settles it."""
    shop.meta.control.change("pause=0.8")
    shop.asks("a", PHONES[0], text={"body": "Hello"})
    shop.work()
    assert (["unknown"], 1) == (shop.states("a"), shop.accepted())
    shop.meta.control.change(off=["pause"])
    shop.asks("b", PHONES[1], text={"body": "Hello"})
    shop.work()
    assert (["unknown", "accepted"], 2) == (shop.states("a", "b"), shop.accepted())
    (row, _) = shop.meta.control.ledger()
    shop.room.meta_reports("delivered", row["wamid"], row["callback"], recipient=PHONES[0])
    assert ["delivered"] == shop.states("a")


def test_a_token_that_ran_out_stops_everything_and_loses_nothing(shop: Shop) -> None:
    """`token-expired`: the number waits for a person, /readyz of both says why, and with a new token all of it leaves
    once."""
    shop.meta.control.change("token-expired")
    for name, phone in zip("abcd", PHONES, strict=True):
        shop.asks(name, phone, text={"body": "Hello"})
    shop.work()
    shop.sync.poll()
    assert (["queued"] * 4, 0) == (shop.states(*"abcd"), shop.accepted())
    assert (True, False, "Meta's error 190") == shop.lane()
    assert "Meta accepts no message (Meta's error 190)" == shop.sender.not_ready_reason()
    assert "Meta's error 190" in str(shop.sync.not_ready_reason())
    assert templates(shop.db, "order_update"), "what was known of templates stays"
    shop.meta.control.change(off=["token-expired"])
    shop.sync.poll()
    shop.pause_is_over()
    while "queued" in shop.states(*"abcd"):
        shop.work()
    assert (["accepted"] * 4, 4) == (shop.states(*"abcd"), shop.accepted())
    assert (None, None) == (shop.sender.not_ready_reason(), shop.sync.not_ready_reason())
    found = sends.find(shop.db, send_id("a"))
    assert found is not None
    assert ["requested", "not_sent", "accepted"] == [entry.event for entry in found[1]]
