"""The choice of an agent, and invariants of any order of transfers, offers, acceptances and ends."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.command_bodies.parts import Target
from domain.commands import Rejection, Transfer
from domain.conversations.conversation import Conversation, Decisions, FactRef, decision_ref
from domain.conversations.events import Cause
from domain.conversations.fold import decide, expire, fold
from domain.conversations.history import CustomerHistory, FoldContext
from domain.conversations.placement.window import WINDOW
from domain.directory import Directory, User
from domain.facts import AgentAccepted, AgentClosed, AgentDeclined, AgentMessage, ConversationFact
from domain.ids import CustomerId, fact_id
from domain.routing.agents import Member, PresenceState, next_agent
from domain.routing.transfers import (
    RoutingPolicy,
    after_expiry,
    after_missed_offer,
    after_overdue,
    after_removal,
    has_expired,
    is_eligible,
    is_overdue,
    is_taking,
    offer,
    recall,
    rejection_of,
    take_rejection,
    transfer,
)
from tests.support.stories import DIRECTORY, START, FactMaker

TERMS = RoutingPolicy()
NOON = START + timedelta(hours=2)
USERS = {
    name: User(name, name, f"{name}@example.com", "agent", most, skillsets)
    for name, most, skillsets in (("anna", 2, ("sales",)), ("ben", 1, ("sales", "support")), ("carla", 0, ("support",)))
}
COMPANY = Directory(DIRECTORY.numbers, DIRECTORY.skillsets, USERS)


# choose


def member(name: str, free: int = 1, idle: int | None = 0, state: PresenceState = "ready", seen: int = 0) -> Member:
    """An agent. `idle` and `seen`: minutes since they last got a conversation, and since their desktop was heard."""
    since = None if idle is None else NOON - timedelta(minutes=idle)
    heard = NOON - timedelta(minutes=seen)
    return Member(name, frozenset({"sales"}), free + 1, 1, state, NOON, heard, since)


def chosen(*members: Member) -> str | None:
    found = next_agent(members, NOON)
    return found.id if found else None


def test_the_member_with_most_free_slots_is_chosen_even_if_others_are_idle_for_longer() -> None:
    assert "anna" == chosen(member("ben", 1, idle=60), member("anna", 2))


def test_of_equally_free_members_the_longest_idle_is_chosen_then_the_first_by_id() -> None:
    assert "ben" == chosen(member("anna", idle=5), member("ben", idle=6))
    assert "anna" == chosen(member("ben", idle=5), member("anna", idle=5))
    assert "ben" == chosen(member("anna", idle=None), member("ben", idle=1))  # without a time: idle since now


def test_a_member_who_is_paused_offline_silent_or_at_capacity_is_not_chosen() -> None:
    assert None is chosen(
        member("anna", state="paused"), member("ben", state="offline"), member("carla", seen=5), member("dora", free=0)
    )


@given(st.lists(st.builds(member, st.sampled_from("abcdef"), st.integers(0, 3), st.integers(0, 9)), max_size=6))
def test_the_choice_does_not_depend_on_the_order_of_the_members(members: list[Member]) -> None:
    apart = list({each.id: each for each in members}.values())
    assert chosen(*apart) == chosen(*reversed(apart))


# any interleaving


@dataclass
class Office:
    """Three conversations and three agents in memory, with the steps of the processes and the same rules. Agents accept
    offers in time or too late, and conversations that they were not offered."""

    now: datetime = NOON
    threads: list[CustomerHistory] = field(default_factory=list)
    presence: dict[str, tuple[PresenceState, datetime]] = field(default_factory=dict)
    steps: int = 0
    late: set[str] = field(default_factory=set)
    """Agents who accepted a conversation that they were not offered, since routing last ran."""
    ever_late: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for place, text in enumerate(("hello", "1", "2")):
            thread = CustomerHistory(CustomerId(UUID(int=place)), FactMaker().number)
            turn = FactMaker().turn(place / 10, text)
            self.threads.append(fold(thread, turn, FoldContext(COMPANY, self.now)).history)

    def conversation(self, place: int) -> Conversation:
        return self.threads[place].conversations[-1]

    @property
    def conversations(self) -> Iterable[Conversation]:
        return (conversation for thread in self.threads for conversation in thread.conversations)

    def members(self) -> dict[str, Member]:
        """The agents, as routing sees them under their locks."""
        found = {}
        for user in USERS.values():
            state, since = self.presence.get(user.id, ("offline", START))
            taken = sum(
                c.owner is not None and c.owner.id == user.id and c.owner.state in ("assigned", "accepted")
                for c in self.conversations
            )
            skillsets = frozenset(user.skillsets)
            found[user.id] = Member(user.id, skillsets, user.max_conversations, taken, state, since, self.now, since)
        return found

    def here(self) -> FactRef:
        self.steps += 1
        return decision_ref(self.now, fact_id("step", str(self.steps)))

    def receives(self, place: int, fact: ConversationFact) -> None:
        self.threads[place] = fold(self.threads[place], fact, FoldContext(COMPANY, self.now)).history

    def decides(self, place: int, of: Conversation, decided: Decisions, here: FactRef) -> None:
        cause, context = Cause((here.fact,), "test"), FoldContext(COMPANY, self.now)
        self.threads[place] = decide(self.threads[place], of.id, decided, cause, context).history

    # the steps; `place`: the conversation, `who`: the agent or skillset

    def time_passes(self, place: int, who: str) -> None:
        """Time passes: a minute, or a tenth of an hour for each place."""
        self.now += timedelta(minutes=1 + 6 * place)

    def transfers(self, place: int, who: str, mode: str = "immediate", issuer: str = "boss") -> None:
        self.closes_expired_windows(place, who)
        conversation, here = self.conversation(place), self.here()
        kind = "user" if who in USERS else "skillset"
        command = Transfer.model_validate(
            {
                "conversation_id": conversation.id,
                "target": Target.model_validate({"kind": kind, "id": who}),
                "mode": mode,
            }
        )
        if rejection_of(conversation, None) is not None:
            return
        if is_taking(command, issuer):
            if take_rejection(command, issuer, COMPANY, self.members()) is None:
                self.receives(place, self._agent_fact(AgentAccepted, conversation, who))
            return
        decided = transfer(conversation, command, COMPANY, self.members(), here, TERMS)
        if not isinstance(decided, Rejection):
            self.decides(place, conversation, decided, here)

    def reserves(self, place: int, who: str) -> None:
        self.transfers(place, who, "exclusive")

    def takes(self, place: int, who: str) -> None:
        self.transfers(place, who, issuer=who)

    def recalls(self, place: int, who: str) -> None:
        self.closes_expired_windows(place, who)
        conversation, here = self.conversation(place), self.here()
        decided = recall(conversation, None, who, here)
        if not isinstance(decided, Rejection):
            self.decides(place, conversation, decided, here)

    def removes(self, place: int, who: str) -> None:
        conversation, here = self.conversation(place), self.here()
        if conversation.owner is not None and not conversation.managed:
            self.decides(place, conversation, after_removal(conversation, here), here)

    def routes(self, place: int, who: str) -> None:
        """Routing runs once: offers that nobody accepted are taken back, waiting conversations are offered."""
        for each in range(len(self.threads)):
            conversation = self.conversation(each)
            owner = conversation.owner
            if owner is None or owner.state != "assigned":
                continue
            gone = self.members()[owner.id].state == "offline"
            above = self.members()[owner.id].is_over_capacity
            if gone or above or (owner.until is not None and owner.until <= self.now):
                here = self.here()
                members = self.members()
                members[owner.id] = members[owner.id]._replace(
                    active_conversations=members[owner.id].active_conversations - 1
                )
                self.decides(each, conversation, after_missed_offer(conversation, members, COMPANY, here, TERMS), here)
        self.late.clear()
        for each in range(len(self.threads)):
            conversation = self.conversation(each)
            meant = [m for m in self.members().values() if is_eligible(conversation, m, self.now)]
            found = next_agent(meant, self.now)
            if found is not None:
                here = self.here()
                self.decides(each, conversation, offer(conversation, found, here, TERMS), here)

    def ends_reservations(self, place: int, who: str) -> None:
        conversation, here = self.conversation(place), self.here()
        if has_expired(conversation, self.now):
            self.decides(place, conversation, after_expiry(conversation, here), here)

    def ends_acceptances(self, place: int, who: str) -> None:
        conversation, here = self.conversation(place), self.here()
        if is_overdue(conversation, self.now):
            self.decides(place, conversation, after_overdue(conversation, here), here)

    def closes_expired_windows(self, place: int, who: str) -> None:
        self.threads[place] = expire(self.threads[place], FoldContext(COMPANY, self.now)).history

    def accepts(self, place: int, who: str) -> None:
        self._if_offered(place, who, AgentAccepted)

    def accepts_late(self, place: int, who: str) -> None:
        self.closes_expired_windows(place, who)
        if who in USERS:
            self.receives(place, self._agent_fact(AgentAccepted, self.conversation(place), who))
            self.late.add(who)
            self.ever_late.add(who)

    def writes(self, place: int, who: str) -> None:
        """The owner who accepted writes to the customer."""
        conversation = self.conversation(place)
        if conversation.owner is not None and conversation.owner.state == "accepted":
            self.receives(place, self._agent_fact(AgentMessage, conversation, conversation.owner.id))

    def declines(self, place: int, who: str) -> None:
        self._if_offered(place, who, AgentDeclined)

    def closes(self, place: int, who: str) -> None:
        self.receives(place, self._agent_fact(AgentClosed, self.conversation(place), who))

    def customer_writes(self, place: int, who: str) -> None:
        if self.conversation(place).status == "active":
            self.receives(place, FactMaker().turn((self.now - START) / timedelta(hours=1), "are you there?"))

    def phone_answers(self, place: int, who: str) -> None:
        self.receives(place, FactMaker().echo((self.now - START) / timedelta(hours=1)))

    def logs_in(self, place: int, who: str) -> None:
        self.presence[who] = ("ready", self.now)

    def logs_out(self, place: int, who: str) -> None:
        self.presence[who] = ("offline", self.now)

    def _if_offered(self, place: int, who: str, what: type[AgentAccepted | AgentDeclined]) -> None:
        conversation = self.conversation(place)
        owner = conversation.owner
        if owner is not None and (owner.id, owner.state) == (who, "assigned"):
            self.receives(place, self._agent_fact(what, conversation, who))

    def _agent_fact(
        self, what: type[AgentAccepted | AgentMessage | AgentDeclined | AgentClosed], of: Conversation, agent: str
    ) -> ConversationFact:
        common = {"id": self.here().fact, "at": self.now, "sent_at": self.now, "agent_id": agent, "text": "hi"}
        return what.model_validate({**common, "conversation_id": of.id})


STEPS: list[Callable[[Office, int, str], None]] = [
    Office.time_passes,
    Office.transfers,
    Office.reserves,
    Office.takes,
    Office.recalls,
    Office.removes,
    Office.routes,
    Office.ends_reservations,
    Office.ends_acceptances,
    Office.closes_expired_windows,
    Office.accepts,
    Office.accepts_late,
    Office.writes,
    Office.declines,
    Office.closes,
    Office.customer_writes,
    Office.phone_answers,
    Office.logs_in,
    Office.logs_out,
]


def assert_sound(office: Office) -> None:
    """Checks the invariants that hold at every moment. An agent is over capacity only by what they accepted, and until
    routing next runs by what they were offered before."""
    for agent in office.members().values():
        offered = any(c.owner and c.owner[:3] == ("user", agent.id, "assigned") for c in office.conversations)
        if agent.id not in office.ever_late:
            assert agent.active_conversations <= agent.max_conversations
        assert agent.active_conversations <= agent.max_conversations or not offered or agent.id in office.late
    for conversation in office.conversations:
        owner = conversation.owner
        if conversation.status == "closed":
            assert owner is None
        if owner is not None and owner.state in ("assigned", "accepted"):
            assert owner.kind == "user"
        if owner is not None and owner.state in ("assigned", "reserved"):
            assert owner.until is not None
            assert owner.until <= conversation.window_ends_at or owner.state == "assigned"
        if conversation.managed:
            assert owner is None or owner.state == "accepted"
            assert not conversation.unmanaged
        elif conversation.status == "active":
            assert conversation.unmanaged == (owner is None)


@given(
    st.lists(
        st.tuples(st.sampled_from(STEPS), st.integers(0, 2), st.sampled_from([*USERS, *COMPANY.skillsets])),
        min_size=15,
        max_size=40,
    )
)
def test_in_any_interleaving_no_agent_is_over_capacity_and_no_conversation_is_lost(
    steps: list[tuple[Callable[[Office, int, str], None], int, str]],
) -> None:
    office = Office()
    for agent in USERS:
        office.logs_in(0, agent)
    for step, place, who in steps:
        step(office, place, who)
        assert_sound(office)
    # every conversation can still end, and then none of them has an owner
    office.now += 2 * WINDOW
    for place in range(len(office.threads)):
        office.closes_expired_windows(place, "anna")
    assert {"closed"} == {conversation.status for conversation in office.conversations}
    assert_sound(office)


def test_the_rules_are_reached_by_the_steps() -> None:
    """The property above proves something only if the steps change the conversations."""
    office = Office()
    office.logs_in(0, "anna")
    office.transfers(0, "anna")
    assert ("anna", "assigned") == _owner(office, 0)
    office.declines(0, "anna")
    office.routes(0, "")
    assert (None, None) == _owner(office, 0)
    assert ("anna", "assigned") == _owner(office, 1)  # the conversation that was queued for sales
    office.accepts(1, "anna")
    assert ("anna", "accepted") == _owner(office, 1)
    office.logs_in(0, "ben")
    office.reserves(0, "sales")
    office.routes(0, "")
    assert {("ben", "assigned"), ("anna", "assigned")} >= {_owner(office, 0)}
    office.time_passes(0, "")
    office.routes(0, "")
    office.recalls(0, "")
    assert (None, None) == _owner(office, 0)


@pytest.mark.parametrize("ahead", [-10, 0, 10])
def test_an_agent_who_declined_is_offered_the_conversation_again_after_their_next_presence_event(ahead: int) -> None:
    """`ahead`: minutes by which the clock of the agent desktop is ahead of ours."""
    office, skew = Office(), timedelta(minutes=ahead)
    office.presence["anna"] = ("ready", office.now + skew)
    office.routes(0, "")
    assert ("anna", "assigned") == _owner(office, 1)
    office.declines(1, "anna")
    for _ in range(2):
        office.routes(0, "")
        assert ("sales", "queued") == _owner(office, 1)
    office.time_passes(0, "")
    office.presence["anna"] = ("ready", office.now + skew)
    office.routes(0, "")
    assert ("anna", "assigned") == _owner(office, 1)


@pytest.mark.parametrize(("minutes_left", "reserved_for"), [(60, 30), (35, 30), (34, 29), (6, 1), (5, None), (1, None)])
def test_a_reservation_ends_five_minutes_before_the_window(minutes_left: int, reserved_for: int | None) -> None:
    """So an agent can still answer. With less time left, the conversation is not reserved at all."""
    office = Office()
    office.now = office.conversation(0).window_ends_at - timedelta(minutes=minutes_left)
    office.reserves(0, "sales")
    owner = office.conversation(0).owner
    assert reserved_for == (owner and owner.until and (owner.until - office.now) / timedelta(minutes=1))


def test_a_reservation_that_the_window_cut_short_gets_its_full_time_when_the_customer_writes() -> None:
    office = Office()
    office.now = office.conversation(0).window_ends_at - timedelta(minutes=15)
    reserved_at = office.now
    office.reserves(0, "sales")
    office.now += timedelta(minutes=5)
    office.customer_writes(0, "")
    owner = office.conversation(0).owner
    assert owner is not None
    assert reserved_at + TERMS.reservation == owner.until


def test_an_agent_who_declined_an_immediate_transfer_is_not_offered_it_again() -> None:
    """Also when they are the only member of the skillset who is left."""
    office = Office()
    office.logs_in(0, "anna")
    office.logs_in(0, "ben")
    office.transfers(0, "sales")
    assert ("anna", "assigned") == _owner(office, 0)
    office.declines(0, "anna")
    office.routes(0, "")
    assert ("ben", "assigned") == _owner(office, 0)
    office.declines(0, "ben")
    office.routes(0, "")
    assert (None, None) == _owner(office, 0)


def _owner(office: Office, place: int) -> tuple[str | None, str | None]:
    owner = office.conversation(place).owner
    return (owner.id, owner.state) if owner else (None, None)
