"""The promises A1 and A2 (docs/design/analytics.md): the cells do not depend on the order and repetition of events."""

from hypothesis import given
from hypothesis import strategies as st

from domain.conversations.events import PublicEvent
from domain.facts import ConversationFact
from domain.statistics.cells import Amounts, StatCell, added, difference, total
from domain.statistics.contribution import Contribution
from domain.statistics.observed import Observed, together
from tests.support.observed import counted, counted_all, seen_in
from tests.support.stories import FactMaker, Story, at

CHATS = [FactMaker(number) for number in ("106540352242922", "bot", "plain")]
HOURS = st.integers(0, 90).map(lambda tenths: tenths / 2)


@st.composite
def chats(draw: st.DrawFn) -> list[PublicEvent]:
    """The public events of all that one customer and one number said, in the order in which they were published."""
    maker = draw(st.sampled_from(CHATS))
    kinds: list[st.SearchStrategy[ConversationFact]] = [
        st.builds(maker.turn, HOURS, st.sampled_from(["hello", "1", "9"])),
        st.builds(maker.turn, HOURS),
        st.builds(maker.echo, HOURS),
        st.builds(maker.bot, HOURS),
        st.builds(maker.bot_ends, HOURS),
        st.builds(maker.choice, HOURS, st.just("sales")),
        st.builds(maker.accepted, HOURS),
        st.builds(maker.answered, HOURS),
        st.builds(maker.agent_closes, HOURS, st.just("anna"), st.just("done")),
    ]
    story = Story(at(0), number=maker.number)
    for fact in draw(st.lists(st.one_of(kinds), min_size=1, max_size=12)):
        story.now = max(story.now, fact.at)
        story.receive(fact)
    return story.wait_until(at(80)).events if draw(st.booleans()) else story.events


class Counting:
    """The stream of analytics, in memory: what is known of each conversation, and the cells."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[Observed, Contribution]] = {}
        self.cells: dict[StatCell, Amounts] = {}

    def take(self, batch: list[Observed]) -> None:
        parts: dict[str, list[Observed]] = {}
        for seen in batch:
            parts.setdefault(str(seen.conversation_id), []).append(seen)
        changes = []
        for id_, of in parts.items():
            before = self.known.get(id_)
            merged = together([*([before[0]] if before else []), *of])
            self.known[id_] = merged, counted(merged)
            changes.append((before and before[1], self.known[id_][1]))
        self.cells = added(self.cells, difference(changes))


@given(chats(), st.data())
def test_any_order_and_repetition_of_public_events_gives_the_same_cells(
    events: list[PublicEvent], data: st.DataObject
) -> None:
    expected = total(counted_all(events).values())
    said = [seen_in(event) for event in events]
    shuffled = data.draw(st.permutations([*said, *said[::2]]))
    stream, size = Counting(), data.draw(st.integers(1, 5))
    for begin in range(0, len(shuffled), size):
        stream.take(shuffled[begin : begin + size])
    assert expected == stream.cells


@given(chats())
def test_the_cells_of_the_hours_add_up_to_the_conversations(events: list[PublicEvent]) -> None:
    found = counted_all(events)
    hours = [amounts for cell, amounts in total(found.values()).items() if cell.table == "hours"]
    assert len(found) == sum(amounts[0] for amounts in hours)
    for amounts in hours:
        opened, touched, unmanaged, rescued, lost, still_open, dismissed = (amounts.get(n, 0) for n in range(7))
        assert rescued + lost + still_open + dismissed == unmanaged <= opened >= touched
        assert unmanaged == sum(amounts.get(n, 0) for n in range(7, 31))
        assert lost == sum(amounts.get(n, 0) for n in range(31, 55))


@given(chats())
def test_events_that_are_read_again_change_nothing(events: list[PublicEvent]) -> None:
    said, stream = [seen_in(event) for event in events], Counting()
    stream.take(said)
    cells = dict(stream.cells)
    stream.take(said)
    assert cells == stream.cells
