"""The simulator sends what Meta, Softbot and the agent desktop send; its story has every reason for the list."""

import hashlib
import io
import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from domain.conversations.conversation import Conversation
from domain.conversations.customers.identities import IdentityKey, keys_of
from domain.conversations.evidence.opening_hours import is_open
from domain.conversations.fold import fold
from domain.conversations.history import CustomerHistory, FoldContext
from domain.conversations.reading.transcript import MessageDelivery, transcript
from domain.conversations.reasons import Reason
from domain.directory import Directory
from domain.facts import BotChoice, ConversationFact, CustomerTurn, Fact, HumanEcho, MessageStatus
from domain.ids import CustomerId, fact_id
from domain.inbound.agent_desk import read_agent_desk
from domain.inbound.softbot import read_softbot
from domain.inbound.whatsapp.reader import read
from infra.local.errors import LocalServerError, NotReachableError
from infra.local.simulator import bike_shop, bodies, load, traffic
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer, WebhookPost, signature
from infra.local.simulator.chat import play
from infra.local.simulator.customer_files import SimulatedFile
from infra.local.simulator.webhooks import Webhooks
from infra.postgres.conversations.statuses import STATUS_RANKS
from tests.support.listener import Listener, listening
from webhook.signature import is_signed
from witiop.directory_file import read_directory

NOW = datetime(2026, 3, 2, 10, 30, 15, tzinfo=UTC)
LINE = BusinessNumber("440000000000001", "+44 20 7946 0001", "330000000000001")
SECRETS: dict[bodies.WebhookSource, str] = {"whatsapp": "of Meta", "softbot": "of the bot", "agents": "of the desk"}
LUCA = "393005550110"
LISTED = {
    Reason.BOT_CLOSED,
    Reason.NOBODY_TOOK_IT,
    Reason.OUT_OF_HOURS,
    Reason.NUMBER_HAS_NO_MENU,
    Reason.INVALID_CHOICE,
    Reason.NO_CHOICE,
}
"""All reasons that do not depend on a person's decision; an expired reservation does."""


def facts_of(post: WebhookPost, received_at: datetime = NOW) -> Sequence[Fact]:
    """Returns the facts that our readers find in a post. Everything in it must be readable."""
    if post.sender == "whatsapp":
        reading = read(post.body, received_at)
        assert list(reading.unreadable) == []
        return reading.facts
    reader = read_softbot if post.sender == "softbot" else read_agent_desk
    return reader(post.body, "batch" in post.content_type, received_at)


def shop(now: datetime) -> Directory:
    return bike_shop.closed_now(read_directory(bike_shop.DIRECTORY_FILE), now)


def customers_facts(now: datetime) -> list[ConversationFact]:
    """Returns the story's facts about conversations, received at `now`."""
    facts = (fact for each in bike_shop.story_posts(now) for fact in facts_of(each.post, now))
    return [fact for fact in facts if isinstance(fact, ConversationFact)]


def conversations(now: datetime) -> list[Conversation]:
    """Returns the conversations of the story, received at `now`."""
    directory = shop(now)
    threads: dict[IdentityKey, CustomerHistory] = {}
    for fact in customers_facts(now):
        assert fact.customer is not None and fact.phone_number_id is not None
        key = keys_of(fact.phone_number_id, fact.customer)[0]
        new = CustomerHistory(CustomerId(fact_id(*key)), fact.phone_number_id)
        threads[key] = fold(threads.get(key, new), fact, FoldContext(directory, now)).history
    return [conversation for thread in threads.values() for conversation in thread.conversations]


def test_bodies_are_signed_like_metas() -> None:
    body = b'{"object":"whatsapp_business_account","entry":[]}'
    expected = "dec6a680679a968e7e0319355b23599cbfc54502c0784668e9618baa0c633756"
    assert signature("test_app_secret", body) == f"sha256={expected}"


def test_our_readers_find_all_kinds_of_updates_in_one_body() -> None:
    anna = SimulatedCustomer("Anna Rossi", "447700900001", "GB.1")
    post = bodies.from_meta(
        LINE,
        messages=[bodies.message(anna, "wamid.1", NOW, "text", text={"body": "Così: 1/2"})],
        senders=[anna],
        statuses=[bodies.status(anna, "wamid.2", NOW, "failed", 131026)],
        echoes=[bodies.echo(LINE, anna, "wamid.3", NOW, "We are here")],
    )
    turn, status, echo = facts_of(post)
    assert isinstance(turn, CustomerTurn)
    assert isinstance(status, MessageStatus)
    assert isinstance(echo, HumanEcho)
    assert (turn.text, turn.at, turn.customer.name) == ("Così: 1/2", NOW, "Anna Rossi")
    assert (status.wamid, status.status, status.code, status.recipient) == ("wamid.2", "failed", 131026, "447700900001")
    assert (echo.text, echo.customer.wa_id, echo.customer.user_id) == ("We are here", "447700900001", "GB.1")
    assert rb"Cos\u00ec: 1\/2" in post.body  # Meta's own escaping


def test_cloudevents_are_sent_alone_or_as_a_batch() -> None:
    data = {"phone_number_id": "1", "customer": {"wa_id": "393331234567"}, "session_id": "3", "option_id": "4"}
    events = [bodies.cloud_event("softbot.choice.made", "/bot", str(n), NOW, data) for n in range(2)]
    one, batch = bodies.from_ours("softbot", events[0]), bodies.from_ours("softbot", *events)
    assert [type(fact) for fact in facts_of(one)] == [BotChoice]
    assert [type(fact) for fact in facts_of(batch)] == [BotChoice, BotChoice]


def test_the_story_has_every_reason_without_a_decision_both_active_and_closed() -> None:
    listed = [c for c in conversations(NOW) if c.reason is not None]
    assert {c.reason for c in listed} == LISTED
    never_active = {Reason.BOT_CLOSED, Reason.NOBODY_TOOK_IT}
    assert {c.reason for c in listed if c.status == "active"} == LISTED - never_active
    assert {c.reason for c in listed if c.status == "closed"} == LISTED


def test_the_story_has_queued_and_managed_conversations_that_are_not_listed() -> None:
    story = conversations(NOW)
    queued = [c for c in story if c.owner is not None and c.owner.state == "queued"]
    managed = Counter(c.status for c in story if c.managed)
    assert sorted(c.owner.id for c in queued if c.owner) == ["sales", "workshop", "workshop", "workshop"]
    assert managed == {"active": 3, "closed": 1}
    assert [c for c in story if c.reason is not None and (c.managed or c.owner)] == []


def test_the_first_page_of_the_list_has_active_and_closed_conversations() -> None:
    page = sorted((c for c in conversations(NOW) if c.reason is not None), key=lambda c: c.last_at, reverse=True)[:10]
    assert {c.status for c in page} == {"active", "closed"}


def test_each_customer_has_one_conversation_per_number_in_the_story() -> None:
    story = conversations(NOW)
    assert len(story) == 29
    assert len({c.customer_id for c in story}) == len(story)


def test_a_transcript_of_the_story_has_many_kinds_of_items() -> None:
    luca = [fact for fact in customers_facts(NOW) if fact.customer and fact.customer.wa_id == LUCA]
    posts = bike_shop.story_posts(NOW)
    statuses = (fact for each in posts for fact in facts_of(each.post) if isinstance(fact, MessageStatus))
    items = transcript(
        luca, {status.wamid: MessageDelivery(STATUS_RANKS[status.status], status.at, None) for status in statuses}
    )
    assert len(items) > 15
    assert {item.speaker for item in items} == {"customer", "bot"}
    assert {"text", "image", "audio", "document", "reaction", "menu.shown"} <= {item.kind for item in items}
    assert (sum(item.edited for item in items), sum(item.deleted for item in items)) == (1, 1)
    assert {item.status for item in items if item.speaker == "bot" and item.kind == "text"} == {"read"}


def test_every_file_of_the_story_can_be_fetched() -> None:
    """It is brought to the Graph API for the number to which the customer sends it."""
    uploaded: dict[str, tuple[str, str]] = {}

    def upload(phone_number_id: str, file: SimulatedFile) -> str:
        id_ = str(len(uploaded))
        uploaded[id_] = (phone_number_id, hashlib.sha256(file.content).hexdigest())
        return id_

    posts = bike_shop.story_posts(NOW, upload)
    turns = [fact for each in posts for fact in facts_of(each.post) if isinstance(fact, CustomerTurn) and fact.media]
    assert {"image", "audio", "document"} == {turn.type for turn in turns}
    assert uploaded == {
        turn.media.id: (turn.phone_number_id, turn.media.sha256) for turn in turns if turn.media is not None
    }


def test_the_same_story_is_a_repeat_on_the_same_day_only() -> None:
    assert bike_shop.story_posts(NOW) == bike_shop.story_posts(NOW)
    ids = [
        {fact.id for each in bike_shop.story_posts(now) for fact in facts_of(each.post, now)}
        for now in (NOW, tomorrow())
    ]
    assert ids[0] & ids[1] == set()


def tomorrow() -> datetime:
    return NOW + timedelta(days=1)


def test_the_story_begins_with_a_customers_message() -> None:
    first, *_ = bike_shop.story_posts(NOW)
    assert [type(fact) for fact in facts_of(first.post)] == [CustomerTurn]


def test_nothing_in_the_story_happens_in_the_future() -> None:
    assert max(each.at for each in bike_shop.story_posts(NOW)) < NOW


@pytest.mark.parametrize("day", ["2026-01-15", "2026-03-29", "2026-10-25", "2026-10-26"])
@pytest.mark.parametrize("hour", range(24))
def test_the_workshop_is_closed_at_any_time_when_the_story_is_played(day: str, hour: int) -> None:
    now = datetime.fromisoformat(f"{day}T{hour:02}:59:30+00:00")
    workshop = shop(now).numbers[bike_shop.WORKSHOP.phone_number_id]
    hours = [now - timedelta(hours=ago) for ago in (0, 1, 2, 27, 28)]
    assert [is_open(workshop, at) for at in hours] == [False] * 5
    assert any(is_open(workshop, now + timedelta(hours=later)) for later in range(24))


# posting


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


def test_every_post_is_signed_with_its_senders_secret(listener: Listener) -> None:
    webhooks = Webhooks(listener.url, SECRETS)
    for sender in SECRETS:
        webhooks.deliver(WebhookPost(sender, b"{}"))
    assert [received.path for received in listener.received] == [f"/webhooks/{sender}" for sender in SECRETS]
    for received, secret in zip(listener.received, SECRETS.values(), strict=True):
        meta = received.path.endswith("whatsapp")
        header = received.headers["X-Hub-Signature-256" if meta else "X-Witiop-Signature-256"]
        assert is_signed(header, received.body, [secret.encode()])


def test_a_post_that_was_not_acknowledged_or_not_answered_is_repeated_until_accepted(listener: Listener) -> None:
    listener.answer = [503, 0, 200].__getitem__
    Webhooks(listener.url, SECRETS).deliver(WebhookPost("whatsapp", b"{}"))
    assert [received.body for received in listener.received] == [b"{}"] * 3


def test_a_rejected_post_is_not_repeated(listener: Listener) -> None:
    listener.answer = lambda _: 401
    with pytest.raises(LocalServerError, match="rejected an update of softbot: 401"):
        Webhooks(listener.url, SECRETS).deliver(WebhookPost("softbot", b"{}"))
    assert len(listener.received) == 1


def test_posting_ends_with_an_error_when_nothing_is_accepted_in_time(listener: Listener) -> None:
    listener.answer = lambda _: 503
    with pytest.raises(NotReachableError, match="accepted nothing for 0 s"):
        Webhooks(listener.url, SECRETS).deliver(WebhookPost("whatsapp", b"{}"), seconds=0)


def test_the_first_post_of_a_story_is_delivered_first_and_each_chat_in_order(listener: Listener) -> None:
    posts = bike_shop.story_posts(NOW)
    play(posts, Webhooks(listener.url, SECRETS))
    received = [received.body for received in listener.received]
    assert received[0] == posts[0].post.body
    for chat in {each.chat for each in posts}:
        bodies_of_chat = [each.post.body for each in posts if each.chat == chat]
        assert [body for body in received if body in bodies_of_chat] == bodies_of_chat


# load


def plan(rate: float, **mix: float) -> traffic.Traffic:
    return traffic.Traffic(traffic.Mix(LINE, **mix), NOW, rate)  # type: ignore[arg-type]


def test_traffic_has_messages_and_statuses_with_unique_ids() -> None:
    updates = [plan(100).update(number) for number in range(400)]
    assert Counter(update.kind for update in updates) == {"message": 100, "status": 300}
    assert [update.status for update in updates[:5]] == [None, "sent", "delivered", "read", None]
    assert len({(update.wamid, update.status) for update in updates}) == 400
    facts = facts_of(plan(100).post(updates))
    assert sorted(str(fact.sent_at) for fact in facts) == sorted(
        str((NOW + timedelta(seconds=number / 100)).replace(microsecond=0)) for number in range(400)
    )


def test_traffic_is_shuffled_and_has_its_share_of_repeats() -> None:
    numbers = list(plan(100, repeats=0.2).numbers(5000))
    assert len(numbers) == 5000
    assert 0.17 < 1 - len(set(numbers)) / 5000 < 0.23
    fresh = list(dict.fromkeys(numbers))
    assert fresh != sorted(fresh)
    assert numbers == list(plan(100, repeats=0.2).numbers(5000))


def test_a_share_of_the_traffic_is_unreadable_and_has_its_ids() -> None:
    updates = [plan(100, unreadable=0.1, statuses_per_message=0).update(number) for number in range(100)]
    reading = read(plan(100).post(updates).body, NOW)
    unreadable = [
        json.loads(each.raw)["entry"][0]["changes"][0]["value"]["messages"][0]["id"] for each in reading.unreadable
    ]
    assert unreadable == [update.wamid for update in updates if update.kind == "unreadable"]
    assert (len(reading.unreadable), len(reading.facts)) == (10, 90)


def test_the_rate_does_not_depend_on_the_answers(listener: Listener) -> None:
    together = threading.Barrier(50)  # no post is answered before all have arrived
    listener.answer = lambda _: 200 if together.wait(10) >= 0 else 503
    summary = load.run(load.Load(rate=100, seconds=0.5), plan(100), Webhooks(listener.url, SECRETS))
    assert (summary.updates, summary.posts, summary.answers, summary.not_sent) == (50, 50, {"200": 50}, 0)


def test_the_ledger_has_all_posts_and_answers_and_failed_posts_are_repeated(listener: Listener) -> None:
    listener.answer = lambda number: [0, 503, 200][min(number % 4, 2)] if number < 10 else 200
    file = io.StringIO()
    webhooks = Webhooks(listener.url, SECRETS)
    wanted = load.Load(rate=100, seconds=1, batch=10, retry_seconds=30)
    summary = load.run(wanted, plan(100), webhooks, load.Ledger(file))
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert summary.undelivered == 0
    assert summary.answers == {"unknown": 3, "503": 3, "200": 4}
    assert Counter(line["answer"] for line in lines) == {"unknown": 30, 503: 30, 200: 100}
    sent = {(line["id"], line["status"]) for line in lines}
    assert {(line["id"], line["status"]) for line in lines if line["answer"] == 200} == sent
    assert {line["answered"] for line in lines if line["answer"] == "unknown"} == {None}
    assert all(line["sent"] <= line["answered"] for line in lines if line["answered"])


def test_an_unwritable_ledger_ends_the_run_with_an_error(listener: Listener) -> None:
    class FullDisk(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        load.run(load.Load(50, 0.2), plan(50), Webhooks(listener.url, SECRETS), load.Ledger(FullDisk()))
