"""A small language for stories: messages and events with times relative to now. A story becomes posts in order of time.

Ids are derived from the story's name, its day (UTC) and the position in the story. So playing the same story again on
the same day, with the same `now`, sends exact repeats.
"""

import base64
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.local.simulator import bodies
from infra.local.simulator.bodies import BodyObject, BusinessNumber, SimulatedCustomer, WebhookPost
from infra.local.simulator.customer_files import PHOTO, RECEIPT, VOICE, SimulatedFile, Uploader, sent_file
from infra.local.simulator.webhooks import Webhooks

_SOURCE = "/simulator"
_STATUS_DELAYS = ((1, "sent"), (2, "delivered"), (40, "read"))
"""The statuses of a message, each with its delay in seconds."""

_PARALLEL_CHATS = 8
_LEAST_GAP = timedelta(seconds=4)


@dataclass(frozen=True, slots=True)
class TimedPost:
    """A post, the time of its updates, and the number of its chat (0: none)."""

    at: datetime
    chat: int
    post: WebhookPost


def play(posts: Sequence[TimedPost], webhooks: Webhooks) -> None:
    """Delivers all posts: the first one alone, then the chats in parallel, each in its own order. Blocks until all are
    accepted. Raises the errors of `Webhooks.deliver`."""
    webhooks.deliver(posts[0].post)
    chats: dict[int, list[WebhookPost]] = {}
    for each in posts[1:]:
        chats.setdefault(each.chat, []).append(each.post)

    def deliver(chat: Sequence[WebhookPost]) -> None:
        for post in chat:
            webhooks.deliver(post)

    with ThreadPoolExecutor(_PARALLEL_CHATS, "story") as pool:
        list(pool.map(deliver, chats.values()))


class Story:
    """Collects the posts of a story. `now`: aware UTC. Times are given as hours and minutes before it, e.g. `"26:30"`.
    `upload`: of files that customers send; None: nobody can fetch these."""

    def __init__(self, name: str, now: datetime, upload: Uploader | None = None) -> None:
        self.upload = upload
        self.now = now.replace(microsecond=0)
        self._name = f"{name}:{self.now:%Y-%m-%d}"
        self._posts: list[TimedPost] = []
        self.customers: list[SimulatedCustomer] = []
        """Those who have a chat."""

    def chat(self, line: BusinessNumber, customer: SimulatedCustomer) -> "Chat":
        """Starts a chat of a customer with a number."""
        self.customers.append(customer)
        return Chat(self, len(self.customers), line, customer, f"{self._name}:{len(self.customers)}")

    def agent_is(self, ago: str, agent: str, state: str) -> None:
        """The agent desktop reports that an agent is `ready`, `paused` or `offline`."""
        event_id = f"{self._name}:{agent}:{state}"
        data = {"agent_id": agent, "state": state}
        event = bodies.cloud_event("agents.presence.changed", _SOURCE, event_id, self.at(ago), data)
        self.add(0, self.at(ago), bodies.from_ours("agents", event))

    def at(self, ago: str) -> datetime:
        """Returns the time that is this long before now."""
        hours, minutes = ago.split(":")
        return self.now - timedelta(hours=int(hours), minutes=int(minutes))

    def add(self, chat: int, at: datetime, post: WebhookPost) -> None:
        """Adds a post to the story."""
        self._posts.append(TimedPost(at, chat, post))

    @property
    def posts(self) -> Sequence[TimedPost]:
        """All posts, in order of time."""
        return sorted(self._posts, key=lambda each: each.at)


class Chat:
    """A chat between one customer and one number. Each method adds one update; those for messages return the wamid."""

    def __init__(self, story: Story, number: int, line: BusinessNumber, customer: SimulatedCustomer, name: str) -> None:
        self._story = story
        self._number = number
        self._line = line
        self._customer = customer
        self._name = name
        self._count = 0
        self._last = datetime.min.replace(tzinfo=story.now.tzinfo)

    # the customer

    def writes(self, ago: str, text: str) -> str:
        """The customer writes a text."""
        return self.sends(ago, "text", text={"body": text})

    def sends(self, ago: str, kind: str, **content: BodyObject) -> str:
        """The customer sends a message of any of Meta's kinds. `content`: the object of that kind."""
        wamid, at = self._wamid(), self._moment(ago)
        update = bodies.message(self._customer, wamid, at, kind, **content)
        self._story.add(self._number, at, bodies.from_meta(self._line, messages=[update], senders=[self._customer]))
        return wamid

    def shows(self, ago: str, caption: str) -> str:
        """The customer sends a picture."""
        return self.sends(ago, "image", image={**self._sent(PHOTO), "caption": caption})

    def speaks(self, ago: str) -> str:
        """The customer sends a voice message."""
        return self.sends(ago, "audio", audio={**self._sent(VOICE), "voice": True})

    def attaches(self, ago: str, file_name: str, caption: str) -> str:
        """The customer sends a receipt."""
        sent = self._sent(RECEIPT)
        return self.sends(ago, "document", document={**sent, "filename": file_name, "caption": caption})

    def taps(self, ago: str, option_id: str, title: str) -> str:
        """The customer taps a button of an earlier message."""
        reply = {"type": "button_reply", "button_reply": {"id": option_id, "title": title}}
        return self.sends(ago, "interactive", interactive=reply)

    def reacts(self, ago: str, to: str, emoji: str) -> str:
        """The customer reacts to the message with the wamid `to`."""
        return self.sends(ago, "reaction", reaction={"message_id": to, "emoji": emoji})

    def edits(self, ago: str, original: str, text: str) -> str:
        """The customer edits the message with the wamid `original`."""
        changed = {"type": "text", "text": {"body": text}}
        return self.sends(ago, "edit", edit={"original_message_id": original, "message": changed})

    def deletes(self, ago: str, original: str) -> str:
        """The customer deletes the message with the wamid `original`."""
        return self.sends(ago, "revoke", revoke={"original_message_id": original})

    # the company

    def echoes(self, ago: str, text: str) -> str:
        """A person of the company answers from the phone app."""
        wamid, at = self._wamid(), self._moment(ago)
        update = bodies.echo(self._line, self._customer, wamid, at, text)
        self._story.add(self._number, at, bodies.from_meta(self._line, echoes=[update]))
        return wamid

    def bot_starts(self, ago: str) -> None:
        """Softbot starts a session."""
        self._bot(ago, "session.started")

    def bot_says(self, ago: str, text: str) -> str:
        """Softbot writes a text, which is sent, delivered and read."""
        wamid = self._wamid()
        self._is_read(self._bot(ago, "message.sent", text=text, wamid=wamid), wamid)
        return wamid

    def bot_offers(self, ago: str, **options: str) -> None:
        """Softbot shows a menu. `options`: id and title of each option."""
        self._bot(ago, "menu.shown", options=[{"id": key, "title": title} for key, title in options.items()])

    def bot_notes_choice(self, ago: str, option_id: str, skillset: str) -> None:
        """Softbot reports the option that the customer chose."""
        self._bot(ago, "choice.made", option_id=option_id, skillset=skillset)

    def bot_hands_over(self, ago: str, skillset: str) -> None:
        """Softbot requests a hand-over to a skillset."""
        self._bot(ago, "handoff.requested", skillset=skillset)

    def bot_ends(self, ago: str, outcome: str) -> None:
        """Softbot ends its session."""
        self._bot(ago, "session.ended", outcome=outcome)

    def agent_accepts(self, ago: str, agent: str) -> None:
        """An agent accepts the conversation."""
        self._desk(ago, "conversation.accepted", agent)

    def agent_says(self, ago: str, agent: str, text: str) -> str:
        """An agent writes a text, which is sent, delivered and read."""
        wamid = self._wamid()
        self._is_read(self._desk(ago, "message.sent", agent, text=text, wamid=wamid), wamid)
        return wamid

    def agent_message_fails(self, ago: str, agent: str, text: str, code: int) -> str:
        """An agent writes a text that fails with Meta's error code."""
        wamid = self._wamid()
        at = self._desk(ago, "message.sent", agent, text=text, wamid=wamid)
        self._statuses(at, [bodies.status(self._customer, wamid, at, "failed", code)])
        return wamid

    def agent_closes(self, ago: str, agent: str, note: str) -> None:
        """An agent closes the conversation."""
        self._desk(ago, "conversation.closed", agent, note=note)

    def _bot(self, ago: str, kind: str, **data: object) -> datetime:
        return self._event(ago, "softbot", kind, {"session_id": self._name, **data})

    def _desk(self, ago: str, kind: str, agent: str, **data: object) -> datetime:
        return self._event(ago, "agents", kind, {"agent_id": agent, **data})

    def _event(self, ago: str, sender: bodies.CloudEventSource, kind: str, data: BodyObject) -> datetime:
        ids = {"phone_number_id": self._line.phone_number_id, "customer": self._customer.ids}
        at = self._moment(ago)
        event = bodies.cloud_event(f"{sender}.{kind}", _SOURCE, self._next(), at, {**ids, **data})
        self._story.add(self._number, at, bodies.from_ours(sender, event))
        return at

    def _is_read(self, at: datetime, wamid: str) -> None:
        times = [(at + timedelta(seconds=seconds), value) for seconds, value in _STATUS_DELAYS]
        self._statuses(times[-1][0], [bodies.status(self._customer, wamid, when, value) for when, value in times])

    def _statuses(self, at: datetime, statuses: Sequence[BodyObject]) -> None:
        self._story.add(self._number, at, bodies.from_meta(self._line, statuses=statuses))

    def _moment(self, ago: str) -> datetime:
        """Returns the time, moved to at least 4 s after the previous update: updates of one moment have no order."""
        self._last = max(self._story.at(ago), self._last + _LEAST_GAP)
        return self._last

    def _next(self) -> str:
        self._count += 1
        return f"{self._name}:{self._count}"

    def _wamid(self) -> str:
        return "wamid." + base64.b64encode(hashlib.sha256(self._next().encode()).digest()).decode()

    def _sent(self, file: SimulatedFile) -> BodyObject:
        if self._story.upload is not None:
            return sent_file(file, self._story.upload(self._line.phone_number_id, file))
        return sent_file(
            file, str(int.from_bytes(hashlib.sha256(f"{self._name}:{file.name}".encode()).digest()[:6], "big"))
        )
