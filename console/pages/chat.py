"""The chat of a conversation: messages with what they quote and the reactions to them, and sentences about events at
the time at which they became true."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from console import phrases
from console.media.shown import NO_FILES, ShownFile, ShownFiles, map_url
from console.messages import ShownMessage, shown_message
from console.request import translated, words
from console.sending.bubbles import Bubble, bubble, place, speaker
from domain.contract.texts import gettext_noop
from domain.conversations.events import HistoryEntry
from domain.conversations.reading.transcript import TranscriptItem, senders
from domain.directory import Directory
from domain.ids import FactId
from domain.sending.number_texts import SPEAKER
from domain.sending.sends import Send, word_id
from infra.postgres.lists.conversation_parts import ConversationPart, replied_to

_LEARNED_LATER = timedelta(minutes=2)
"""An event that was learned this much later than it became true says so."""
_TAPS = ("interactive", "button")


class Quote(NamedTuple):
    """The message that another one replies to. `who`: its speaker."""

    who: str
    text: str


@dataclass(slots=True)
class ChatEntry:
    """One entry of the chat: a new `day`, a `message`, or a `sentence` about an event. `media`: the name of a kind of
    message that is not text, `icon`: its icon; `who`: the agent, or who
    of several customers; `origin`: the advertisement that the customer came
    from; `learned`: when an event was learned, if that was later; `sent`: the state of a message
    that was sent from here; `wamid`: of a message that can be replied to; `file`: of a message that has one; `map_url`:
    of the place that it names."""

    kind: Literal["day", "message", "sentence"]
    at: datetime
    text: str
    id: str = ""
    speaker: str = ""
    who: str = ""
    icon: str = ""
    media: str = ""
    status: str = ""
    edited: bool = False
    deleted: bool = False
    quote: Quote | None = None
    origin: str = ""
    reactions: list[str] = field(default_factory=list)
    learned: datetime | None = None
    sent: Bubble | None = None
    wamid: str = ""
    file: ShownFile | None = None
    map_url: str = ""


def chat_entries(
    part: ConversationPart,
    directory: Directory,
    sends: Sequence[Send] = (),
    files: ShownFiles = NO_FILES,
) -> list[ChatEntry]:
    """Messages and sentences by time, each day preceded by its date; of the events those from the beginning of the part
    to the entry that follows it. `sends`: what was sent from here; those that are no part of the
    transcript yet stand where they were asked for. `files`: of both."""
    words_ = {word_id(send.id): send for send in sends}
    known = {item.wamid: item for item in (*part.named, *part.transcript) if item.wamid}
    accepted = {fact for event in part.history if event.event == "accepted" for fact in event.because}
    is_group = part.conversation.group_id is not None
    people = senders((*part.named, *part.transcript), is_group)
    reactions = _reactions(part.transcript, people if is_group else {})
    found: list[ChatEntry] = []
    for item in part.transcript:
        if item.kind == "reaction" and (_target(item) in known or not _emoji(item)):
            continue  # it stands on its message; a removed one stands nowhere
        if item.kind == "conversation.accepted" and item.id in accepted:
            continue  # the history says it, and who has the conversation
        send = words_.pop(item.id, None)
        quoting = item if send is None else item._replace(extra={**item.extra, **_context(send)})
        entry = _item(quoting, directory, known, people)
        entry.sent = bubble(send) if send is not None else None
        entry.file = files.received.get(item.id) if send is None else files.sent.get(send.id)
        entry.reactions = list(reactions.get(item.wamid or "", {}).values())
        found.append(entry)
    edge = part.first if part.rest else part.after
    begin = edge.at if edge else None
    until = part.last if part.beyond else part.before
    unsaid = [_unsaid(send, directory, known, people, files) for send in words_.values()]
    events = [
        event
        for event in [*_events(part, directory), *unsaid]
        if (begin is None or event.at >= begin) and (until is None or event.at < until.at)
    ]
    return list(_with_days(_merged(found, events)))


def _merged(items: Sequence[ChatEntry], events: Sequence[ChatEntry]) -> Iterator[ChatEntry]:
    """The items in their own order, each event behind what happened until then."""
    waiting = sorted(events, key=lambda event: event.at)
    for item in items:
        while waiting and waiting[0].at < item.at:
            yield waiting.pop(0)
        yield item
    yield from waiting


def _with_days(entries: Iterator[ChatEntry]) -> Iterator[ChatEntry]:
    day = None
    for each in entries:
        if (today := words().local(each.at).date()) != day:
            yield ChatEntry("day", each.at, words().day(each.at))
            day = today
        yield each


def _item(
    item: TranscriptItem, directory: Directory, known: Mapping[str, TranscriptItem], people: Mapping[FactId, str]
) -> ChatEntry:
    id_, sentence = str(item.id), phrases.transcript_sentence(directory, item)
    if sentence is not None:
        return ChatEntry("sentence", item.at, sentence, id=id_)
    said = _said(item)
    return ChatEntry(
        "message",
        item.at,
        said.text,
        id=id_,
        speaker=item.speaker,
        who=people.get(item.id) or phrases.user_name(directory, item.agent_id or ""),
        icon=said.icon,
        media=said.name,
        status=item.status or "",
        edited=item.edited,
        deleted=item.deleted,
        quote=_quote(item, directory, known, people),
        origin=_origin(item.extra),
        wamid=(item.wamid or "") if item.speaker == "customer" and not item.deleted else "",
        map_url=map_url(item.extra),
    )


def _unsaid(
    send: Send,
    directory: Directory,
    known: Mapping[str, TranscriptItem],
    people: Mapping[FactId, str],
    files: ShownFiles,
) -> ChatEntry:
    """A message that is no word to the customer, or not yet."""
    extra = _context(send)
    at, who = place(send), phrases.user_name(directory, send.actor)
    if send.actor == SPEAKER:
        who = directory.number(send.phone_number_id).name or send.phone_number_id
    item = TranscriptItem(word_id(send.id), at, speaker(send), send.kind, send.text, wamid=send.wamid, extra=extra)
    entry = _item(item, directory, known, people)
    entry.who, entry.sent, entry.file = who, bubble(send), files.sent.get(send.id)
    return entry


def _context(send: Send) -> dict[str, Any]:
    """What a message quotes, in the form of Meta's webhook."""
    return {"context": {"id": send.reply_to}} if send.reply_to else {}


def _said(item: TranscriptItem) -> ShownMessage:
    """A message; the buttons of one of ours say nothing that was chosen."""
    ours = item.kind == "interactive" and item.speaker != "customer"
    return shown_message("text" if ours else item.kind, item.text, item.extra)


def summary_of(item: TranscriptItem) -> str:
    """A message in one line."""
    if item.deleted:
        return translated(gettext_noop("deleted by the customer"))
    said = _said(item)
    return " ".join(filter(None, (said.name, " ".join(said.text.split()))))


def _quote(
    item: TranscriptItem, directory: Directory, known: Mapping[str, TranscriptItem], people: Mapping[FactId, str]
) -> Quote | None:
    is_tap = item.kind in _TAPS and item.speaker == "customer"
    named = None if is_tap else replied_to(dict(item.extra))
    if named is None:
        return None
    quoted = known.get(named)
    if quoted is None:
        return Quote("", translated(gettext_noop("An earlier message")))
    who = {"customer": gettext_noop("Customer"), "bot": gettext_noop("Bot")}.get(quoted.speaker)
    name = phrases.user_name(directory, quoted.agent_id or "") or translated(gettext_noop("Agent"))
    return Quote(people.get(quoted.id) or (translated(who) if who else name), summary_of(quoted))


def _origin(extra: Mapping[str, Any]) -> str:
    referral = extra.get("referral")
    if not isinstance(referral, Mapping):
        return ""
    titles = [referral.get(key) for key in ("headline", "body", "source_url")]
    title = next((each for each in titles if isinstance(each, str) and each.strip()), None)
    if title is None:
        return ""
    of_post = referral.get("source_type") == "post"
    text = gettext_noop("From a post: %(title)s") if of_post else gettext_noop("From an ad: %(title)s")
    return translated(text) % {"title": title}


def _reactions(items: Sequence[TranscriptItem], members: Mapping[FactId, str]) -> dict[str, dict[str, str]]:
    """Message -> speaker -> emoji. The last reaction of each speaker counts; an empty one removes it. `members`: who
    of a group's customers reacted."""
    found: dict[str, dict[str, str]] = {}
    for item in items:
        if item.kind == "reaction" and (of := _target(item)):
            by = found.setdefault(of, {})
            who = members.get(item.id, item.speaker)
            by.pop(who, None)
            if emoji := _emoji(item):
                by[who] = emoji
    return found


def _target(item: TranscriptItem) -> str | None:
    reaction = item.extra.get("reaction")
    of = reaction.get("message_id") if isinstance(reaction, Mapping) else None
    return of if isinstance(of, str) else None


def _emoji(item: TranscriptItem) -> str:
    reaction = item.extra.get("reaction")
    emoji = reaction.get("emoji") if isinstance(reaction, Mapping) else item.text
    return emoji if isinstance(emoji, str) else ""


def _events(part: ConversationPart, directory: Directory) -> Iterator[ChatEntry]:
    story = part.history
    for event, following in zip(story, [*story[1:], None], strict=False):
        if _is_overtaken(event, following):
            continue
        sentence = phrases.history_sentence(directory, event)
        if sentence is not None:
            at = _became_true(event, part)
            learned = event.at if event.at - at > _LEARNED_LATER else None
            yield ChatEntry("sentence", at, sentence, learned=learned)


def _is_overtaken(event: HistoryEntry, following: HistoryEntry | None) -> bool:
    """Whether the next reason was learned in the same moment: then only that one is news."""
    return (
        following is not None
        and event.event == following.event == "became_unmanaged"
        and following.at - event.at < timedelta(seconds=1)
    )


def _became_true(event: HistoryEntry, part: ConversationPart) -> datetime:
    """When an event became true: at the latest of the facts that it follows from, or at the end of the window."""
    known = [part.caused[fact] for fact in event.because if fact in part.caused]
    if event.event == "closed" and part.conversation.closed_at is not None:
        known.append(part.conversation.closed_at)
    return min(max(known, default=event.at), event.at)
