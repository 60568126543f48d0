"""What a number says by itself: a greeting, that a choice is not on the menu, that it is closed. Each at most once in a
conversation, while nobody has it, and only as an answer to what the customer has just written
(docs/design/sending.md). Also, in whose hands it may be, that an opt-out was noted, or its end."""

from datetime import datetime, timedelta

from domain.conversations.conversation import Conversation
from domain.conversations.evidence.menu import ChosenSkillset, FailedChoice, read_choice
from domain.conversations.evidence.opening_hours import is_open
from domain.directory import MENU_MARK, Directory, Number, TextKind
from domain.facts import CustomerTurn
from domain.messages.outgoing import MAX_TEXT, OutgoingMessage, TextMessage, graph_content
from domain.opt_outs.words import opt_out_word
from domain.sending.acceptance import SendingPolicy, recipient_of
from domain.sending.sends import Lane, Send, send_id

ANSWERS_WITHIN = timedelta(minutes=10)
"""Later than this after the customer's message, a number says nothing: a greeting out of place is worse than none."""
SPEAKER = "number"
"""Who asked for such a message."""


def text_due(
    turn: CustomerTurn,
    conversation: Conversation,
    directory: Directory,
    policy: SendingPolicy,
    now: datetime,
    *,
    changes_opt_out: bool = False,
) -> TextKind | None:
    """Returns what the number says to a turn of this conversation; None: nothing. `now`: the time, also of a turn that
    waited to be processed; `changes_opt_out`: whether the customer has opted out by this turn, or in again."""
    number = directory.number(conversation.phone_number_id)
    spoken = number.texts.get(number.language)
    if not spoken or number.softbot or not policy.enabled or not policy.allows(*recipient_of(conversation).address):
        return None
    if now >= turn.at + ANSWERS_WITHIN:
        return None
    word = opt_out_word(turn, number)
    if changes_opt_out or word == "stop":  # *start* may also be just the beginning of a chat
        kind: TextKind = "opted_out" if word == "stop" else "opted_in"
        return kind if changes_opt_out and kind in spoken and conversation.status == "active" else None
    if not _is_nobodys(conversation):
        return None
    if "out_of_hours" in spoken and not is_open(number, turn.at):
        return "out_of_hours"
    if conversation.owner is not None:
        return None
    choice = read_choice(turn, number.choices, directory.skillsets)
    if isinstance(choice, FailedChoice) and "wrong_choice" in spoken and conversation.evidence.route is None:
        return "wrong_choice"
    first = conversation.evidence.first_turn
    is_first = first is not None and first.fact == turn.id
    return "greeting" if is_first and "greeting" in spoken and not isinstance(choice, ChosenSkillset) else None


def _is_nobodys(conversation: Conversation) -> bool:
    """Returns whether no person and no bot has anything to do with a conversation yet: it is at most in a queue."""
    evidence, owner = conversation.evidence, conversation.owner
    return (
        conversation.status == "active"
        and conversation.group_id is None
        and evidence.touch is None
        and evidence.agent_took is None
        and not evidence.sessions
        and (owner is None or owner.state == "queued")
    )


def text_id(kind: TextKind, turn: CustomerTurn, conversation: Conversation) -> str:
    """Returns in place of a command's id that of a text, always the same: one in a conversation, and one for each turn
    that opts out or in."""
    return f"{kind} of {turn.id if kind in ('opted_out', 'opted_in') else conversation.id}"


def number_text(
    kind: TextKind, turn: CustomerTurn, conversation: Conversation, directory: Directory, now: datetime, secret: bytes
) -> Send:
    """Returns the send of a text that is due. It is no word of a person, makes nobody the owner, and waits behind the
    messages of agents. `secret`: of its callback data."""
    number = directory.number(conversation.phone_number_id)
    named = text_id(kind, turn, conversation)
    text = spoken(number, directory)[kind]
    content = graph_content(OutgoingMessage(text=TextMessage(body=text)))
    assert content is not None
    address_kind, address = recipient_of(conversation).address
    return Send(
        id=send_id(named),
        command_id=named,
        phone_number_id=number.phone_number_id,
        address=address,
        address_kind=address_kind,
        kind="text",
        lane=Lane.SYSTEM,
        content=content,
        text=text,
        actor=SPEAKER,
        is_word=False,
        is_claim=False,
        needs_window=True,
        requested_at=now,
        secret=secret,
        conversation_id=conversation.id,
        customer_id=conversation.customer_id,
        expires_at=turn.at + ANSWERS_WITHIN,
    )


def spoken(number: Number, directory: Directory) -> dict[TextKind, str]:
    """Returns what a number says in its language, as customers read it."""
    menu = _menu(number, directory)
    texts = number.texts.get(number.language, {})
    return {kind: text.replace(MENU_MARK, menu)[:MAX_TEXT] for kind, text in texts.items()}


def _menu(number: Number, directory: Directory) -> str:
    """Returns the menu as customers read it, one choice a line: `1 - Sales`."""
    known = ((choice, directory.skillsets.get(skillset)) for choice, skillset in number.menu.items())
    return "\n".join(f"{choice} - {skillset.name}" for choice, skillset in known if skillset is not None)
