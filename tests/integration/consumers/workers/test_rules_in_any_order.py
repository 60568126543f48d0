"""Whatever happens in whatever order, a rule acts on a conversation once, and never against a person (R1, R3)."""

from collections.abc import Iterator
from itertools import count
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.rules.rule import Rule, RuleTransfer
from infra.kafka.consumer import IncomingRecord
from tests.support.databases import Databases
from tests.support.rule_room import RuleRoom, open_rule_room, reserve

PHONES = count(16505550100)
Step = Literal["writes", "looks", "arrives", "arrives again", "taken", "given back", "restart"]
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.sampled_from(["writes", "looks", "arrives", "arrives again", "taken", "given back", "restart"]), max_size=12
)


@pytest.fixture(scope="module")
def room(databases: Databases) -> Iterator[RuleRoom]:
    dsn = databases.create()
    with open_rule_room(dsn) as room:
        now = Rule("now", "Now", on=True, stop=False, transfer=RuleTransfer(user="ben", mode="immediate"))
        room.write_rules(Rule("words", "Words", on=True, stop=False, text="We are coming."), now, reserve())
        room.rules = room.another_process(per_minute=10_000)
        yield room
    databases.drop(dsn)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_happens_a_rule_acts_at_most_once_and_takes_from_nobody(room: RuleRoom, steps: list[Step]) -> None:
    phone, minutes = str(next(PHONES)), 100
    conversation = room.office.customer_writes(phone=phone, hours_ago=2)
    on_their_way: list[IncomingRecord] = []
    arrived: list[IncomingRecord] = []
    for step in [*steps, "looks", "arrives", "arrives", "arrives", "arrives"]:
        match step:
            case "writes":
                minutes -= 1
                room.office.customer_writes("and?", phone=phone, hours_ago=minutes / 60)
            case "looks":
                on_their_way += [each for each in room.poll() if str(conversation).encode() in each.value]
            case "arrives" if on_their_way:
                arrived.append(on_their_way.pop(0))
                room.carry_out(arrived[-1])
            case "arrives again" if arrived:
                room.carry_out(arrived[-1]._replace(offset=room.office.next_offset()))
            case "taken":
                mine = room.office.transfer(conversation, "user", "anna", "immediate", issuer="anna")
                room.office.results_of(mine)
            case "given back":
                back = {"conversation_id": str(conversation)}
                room.office.results_of(room.office.command("recall", back, issuer="anna"))
            case "restart":
                room.rules = room.another_process(per_minute=10_000)
            case _:
                pass
    applied = room.office.rows(
        "select issuer, type, count(*) as times from command_audit where outcome = 'applied' and issuer like 'rule:%' "
        f"and conversation_id = '{conversation}' group by 1, 2"
    )
    assert [each for each in applied if each["times"] > 1] == []
    holder = None
    for event, actor, owner in room.office.history(conversation):
        assert not (holder == "anna" and actor.startswith("rule:")), "a rule took it from anna"
        holder = owner if event == "accepted" else None
