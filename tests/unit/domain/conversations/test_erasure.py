"""The last public event of a conversation whose customer was erased."""

from consumers.changes.public_events import public_event_record
from domain.conversations.erasure import erased
from domain.facts import Party
from tests.support.stories import FactMaker, Story, at

ZOE = FactMaker(customer=Party(wa_id="16505557777", user_id="US.7777", name="Zoe Zebulon"))


def test_it_has_nothing_that_leads_to_the_customer_and_ends_what_was_open() -> None:
    story = Story(at(1)).receive(ZOE.turn(0, "zirconium"), ZOE.turn(0.1, "1"), ZOE.accepted(0.5))
    (conversation,) = story.history.conversations
    assert conversation.owner is not None
    event = erased(conversation, at(2), "boss")
    record = public_event_record(event, "t")
    assert record.headers["ce_type"] == "witiop.conversation.erased.v1"
    assert record.headers["ce_sequence"] == str(conversation.sequence + 1)
    for text in (b"16505557777", b"7777", b"Zoe", b"zirconium"):
        assert text not in record.value.replace(str(conversation.id).encode(), b""), text
    after = event.conversation
    assert (None, "closed", at(2)) == (after.owner, after.status, after.closed_at)


def test_a_conversation_that_was_over_keeps_how_it_ended() -> None:
    story = Story(at(30)).receive(ZOE.turn(0, "zirconium"))
    (conversation,) = story.history.conversations
    after = erased(conversation, at(40), "boss").conversation
    assert conversation.reason is not None
    assert (conversation.reason, conversation.closed_at) == (after.reason, after.closed_at)
    assert conversation.version == after.version
