"""Identities end: who has a phone or user id at which time, in whatever order Meta reports the changes."""

from collections.abc import Callable, Iterable, Sequence
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arrival import arrival
from domain.conversations.conversation import FactRef, fact_ref
from domain.conversations.customers.identities import Identity, IdentityKey, keys_of
from domain.conversations.customers.identity_index import IdentityIndex
from domain.facts import CustomerIdentityChanged, Party
from domain.ids import CustomerId, fact_id
from tests.support.stories import FactMaker, at

N = FactMaker().number
A, B, C = "391", "392", "393"


def moved(old: str, new: str, second: float, place: int = 0) -> CustomerIdentityChanged:
    """Meta's report that the customer with the phone `old` has the phone `new`."""
    return changed(Party(wa_id=old), Party(wa_id=new), second, place)


def changed(old: Party, new: Party, second: float, place: int = 0) -> CustomerIdentityChanged:
    moment = at(second / 3600)
    which = fact_id("change", str(old), str(new), str(second), str(place))
    return CustomerIdentityChanged(
        id=which, phone_number_id=N, at=moment, sent_at=moment, arrival=arrival(moment, place), wamid=f"w.{which}",
        customer=old, becomes=new,
    )  # fmt: skip


def ref(second: float, place: int = 0) -> FactRef:
    moment = at(second / 3600)
    return FactRef(moment, arrival(moment, place), fact_id("a turn", str(second), str(place)))


class Told:
    """The identities after some reports, each in a transaction of its own or several in one."""

    def __init__(self) -> None:
        self.stored: dict[tuple[IdentityKey, FactRef], Identity] = {}

    def tell(self, *reports: CustomerIdentityChanged) -> IdentityIndex:
        index = IdentityIndex(self.stored.values())
        index.report(reports)
        self.stored.update(index.learned)
        return index

    def who(self, phone: str, when: FactRef, user_id: str | None = None) -> CustomerId:
        index = IdentityIndex(self.stored.values())
        customer = index.resolve(keys_of(N, Party(wa_id=phone, user_id=user_id)), when)
        self.stored.update(index.learned)
        return customer


def told(reports: Iterable[CustomerIdentityChanged]) -> Told:
    result = Told()
    for report in reports:
        result.tell(report)
    return result


def test_who_writes_from_a_phone_that_its_customer_left_is_somebody_else() -> None:
    gina = told([moved(A, B, 60)])
    assert gina.who(A, ref(30)) == gina.who(B, ref(90)) != gina.who(A, ref(90))
    assert gina.who(B, ref(30)) not in {gina.who(A, ref(30)), gina.who(A, ref(90))}


def test_a_user_id_that_the_customer_still_has_names_them_from_the_old_phone_too() -> None:
    gina = Told()
    customer = gina.who(A, ref(0), "IT.1")
    gina.tell(changed(Party(wa_id=A, user_id="IT.1"), Party(wa_id=B), 60))
    assert customer == gina.who(A, ref(90), "IT.1") == gina.who(B, ref(90))
    assert customer != gina.who(A, ref(95))
    assert customer != gina.who(A, ref(96), "IT.2")


def test_who_comes_to_an_old_phone_keeps_it_apart_also_with_a_user_id() -> None:
    gina = told([moved(A, B, 60)])
    stranger = gina.who(A, ref(90), "IT.9")
    assert stranger == gina.who(A, ref(95)) == gina.who(C, ref(96), "IT.9")
    assert stranger != gina.who(B, ref(97))


def test_in_the_second_of_the_change_the_place_in_the_body_decides() -> None:
    gina = told([moved(A, B, 60, place=1)])
    assert gina.who(A, ref(60, place=0)) == gina.who(B, ref(61)) != gina.who(A, ref(60, place=2))


def test_a_customer_who_returns_to_the_old_phone_has_it_again() -> None:
    for order in permutations([moved(A, B, 60), moved(B, A, 120)]):
        gina = told(order)
        assert gina.who(A, ref(30)) == gina.who(B, ref(90)) == gina.who(A, ref(150))
        assert gina.who(A, ref(90)) != gina.who(A, ref(150))
        assert gina.who(B, ref(150)) != gina.who(B, ref(90))


def test_a_change_that_meta_reports_twice_happened_once() -> None:
    for order in permutations([moved(A, B, 60), moved(A, B, 120)]):
        gina = told(order)
        assert gina.who(A, ref(30)) == gina.who(B, ref(90)) == gina.who(B, ref(150))
        assert gina.who(A, ref(90)) == gina.who(A, ref(150)) != gina.who(A, ref(30))


def test_a_chain_of_changes_is_followed_in_whatever_order_it_is_told() -> None:
    for order in permutations([moved(A, B, 60), moved(B, C, 120)]):
        gina = told(order)
        assert gina.who(A, ref(30)) == gina.who(B, ref(90)) == gina.who(C, ref(150))


def test_a_change_of_user_id_alone_leaves_the_phone_with_the_customer() -> None:
    gina = Told()
    customer = gina.who(A, ref(0), "IT.1")
    gina.tell(changed(Party(wa_id=A, user_id="IT.1"), Party(user_id="IT.2"), 60))
    assert customer == gina.who(A, ref(90)) == gina.who(A, ref(90), "IT.2")
    index = IdentityIndex(gina.stored.values())
    assert customer != index.resolve(keys_of(N, Party(user_id="IT.1")), ref(90))


def test_a_change_of_user_id_that_is_reported_twice_joins_nobody_else() -> None:
    first, again = (changed(Party(user_id="IT.1"), Party(user_id="IT.2"), second) for second in (60, 120))
    for order in permutations([first, again]):
        index = IdentityIndex([])
        gina = index.resolve(keys_of(N, Party(user_id="IT.1")), ref(0))
        for report in order:
            index.report([report])
        stranger = index.resolve(keys_of(N, Party(user_id="IT.1")), ref(150))
        assert gina == index.resolve(keys_of(N, Party(user_id="IT.2")), ref(150)) != stranger


def test_a_fact_is_answered_at_the_phone_that_the_customer_has_now() -> None:
    for order in permutations([moved(A, B, 60), moved(B, C, 120), moved(A, B, 70)]):
        index = IdentityIndex(told(order).stored.values())
        assert {"wa_id": C} == _called(index, A, 30)
        assert {"wa_id": A} == _called(index, A, 90)
        assert {"wa_id": C} == _called(index, B, 90)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("hers", [None, "IT.1"])
def test_who_came_to_an_old_phone_with_a_user_id_is_somebody_else_also_if_the_change_is_told_late(
    hers: str | None, order: tuple[int, ...]
) -> None:
    gina = Told()
    steps: list[Callable[[], object]] = [
        lambda: gina.who(A, ref(0), hers),
        lambda: gina.who(A, ref(90), "IT.9"),
        lambda: gina.tell(moved(A, B, 60)),
    ]
    for place in order:
        steps[place]()
    assert gina.who(A, ref(0), hers) == gina.who(B, ref(95)) != gina.who(A, ref(90), "IT.9")
    assert gina.who(A, ref(90), "IT.9") == gina.who(A, ref(95)) == gina.who(C, ref(96), "IT.9")


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("hers", [None, "IT.1"])
@pytest.mark.parametrize("reports_hers", [False, True])
def test_a_customer_gets_another_user_id_with_a_new_phone_also_if_meta_does_not_say_which(
    order: tuple[int, ...], hers: str | None, reports_hers: bool
) -> None:
    gina = Told()
    steps: list[Callable[[], object]] = [
        lambda: gina.who(A, ref(0), hers),
        lambda: gina.who(B, ref(90), "IT.2"),
        lambda: gina.tell(changed(Party(wa_id=A, user_id=hers if reports_hers else None), Party(wa_id=B), 60)),
    ]
    for place in order:
        steps[place]()
    assert gina.who(A, ref(0), hers) == gina.who(B, ref(90), "IT.2") == gina.who(B, ref(95))
    assert gina.who(B, ref(96), "IT.7") != gina.who(B, ref(90), "IT.2")


def test_who_had_a_phone_before_another_user_id_was_seen_with_it_stays_known() -> None:
    gina = Told()
    hers, theirs = gina.who(A, ref(0), "IT.1"), gina.who(A, ref(90), "IT.9")
    assert hers == gina.who(A, ref(80)) != theirs == gina.who(A, ref(100))
    before = dict(gina.stored)
    for second in (0, 80, 90, 100, 85):  # repeats and late messages begin nothing
        gina.who(A, ref(second), "IT.1" if second < 85 else "IT.9")
    assert before.keys() == gina.stored.keys()


def test_a_change_that_is_told_again_moves_nothing_that_a_user_id_says() -> None:
    gina = Told()
    gina.who(A, ref(0), "IT.1"), gina.who(A, ref(90), "IT.9"), gina.who(B, ref(91), "IT.2")
    gina.tell(moved(A, B, 60))
    for again in (60, 120):
        assert {} == gina.tell(moved(A, B, again)).lost
    gina.tell(moved(B, C, 180))
    assert gina.who(A, ref(0), "IT.1") == gina.who(B, ref(150)) == gina.who(C, ref(200)) != gina.who(A, ref(150))
    assert gina.who(A, ref(150)) == gina.who(A, ref(90), "IT.9")


def _called(index: IdentityIndex, phone: str, second: float) -> dict[str, str]:
    turn = FactMaker(customer=Party(wa_id=phone)).turn(second / 3600)
    party = index.called(turn)
    assert party is not None
    return party.model_dump(exclude_none=True)


REPORTS = st.lists(
    st.builds(
        lambda pair, second, place: moved(pair[0], pair[1], second, place),
        st.sampled_from([(old, new) for old, new in product([A, B, C], repeat=2) if old != new]),
        st.integers(1, 5),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=5,
    unique_by=fact_ref,
)
MOMENTS = [ref(second + 0.5) for second in range(7)]


@given(REPORTS, st.data())
def test_who_has_which_phone_when_does_not_depend_on_the_order_of_the_reports(
    reports: list[CustomerIdentityChanged], data: st.DataObject
) -> None:
    expected = _timeline(told(sorted(reports, key=fact_ref)))
    in_another_order = data.draw(st.permutations(reports))
    cut = data.draw(st.integers(0, len(reports)))
    together = Told()
    together.tell(*in_another_order[:cut])
    together.tell(*in_another_order[cut:])
    assert expected == _timeline(told(in_another_order)) == _timeline(together)
    assert expected == _timeline(told([*in_another_order, *reports]))


@given(REPORTS)
def test_two_phones_have_the_same_customer_exactly_if_meta_said_so(reports: list[CustomerIdentityChanged]) -> None:
    timeline, simple = _timeline(told(reports)), _simulated(reports)
    for one, other in product(timeline, repeat=2):
        assert (simple[one] == simple[other]) == (timeline[one] == timeline[other]), (one, other)


def _timeline(identities: Told) -> dict[tuple[str, FactRef], CustomerId]:
    return {(phone, when): identities.who(phone, when) for phone in (A, B, C) for when in MOMENTS}


def _simulated(reports: Sequence[CustomerIdentityChanged]) -> dict[tuple[str, FactRef], object]:
    """Who has which phone when, followed from one report to the next."""
    result: dict[tuple[str, FactRef], object] = {}
    has: dict[str, object] = {phone: phone for phone in (A, B, C)}
    touched: dict[str, tuple[str, str, int] | None] = dict.fromkeys(has)
    pending = sorted(reports, key=fact_ref)
    for when in MOMENTS:
        while pending and fact_ref(pending[0]) <= when:
            report = pending.pop(0)
            old, new = str(report.customer.wa_id), str(report.becomes.wa_id)
            last = touched[old]
            if last is None or last != touched[new] or last[:2] != (old, new):
                has[new], has[old] = has[old], object()
            touched[old] = touched[new] = (old, new, len(pending))
        result.update({(phone, when): who for phone, who in has.items()})
    return result


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("turn"), st.sampled_from([A, B, C]), st.booleans()),
        st.tuples(st.just("move"), st.permutations([A, B, C]), st.booleans()),
    ),
    min_size=2,
    max_size=7,
    unique_by=lambda step: step if step[0] == "turn" else tuple(step[1][:2]),
)


@given(STEPS)
def test_people_whose_user_ids_change_with_their_phones_are_told_apart(steps: list[tuple[str, Any, bool]]) -> None:
    """Each has a user id, which Meta does not always say; reports come before what follows them."""
    identities, has, people = Told(), {phone: n for n, phone in enumerate((A, B, C))}, 3
    user_ids = {n: f"IT.{n}" for n in range(3)}
    found: dict[CustomerId, int] = {}
    for n, (kind, where, says) in enumerate(steps, 1):
        if kind == "turn":
            who = has[where]
            customer = identities.who(where, ref(10 * n), user_ids[who] if says else None)
            assert who == found.setdefault(customer, who)
            assert [customer] == [c for c, person in found.items() if person == who]
            continue
        old, new, _ = where
        who = has[new] = has[old]
        before, user_ids[who] = user_ids[who], f"IT.{who}.{n}"
        has[old], user_ids[people], people = people, f"IT.{people}", people + 1
        report = changed(Party(wa_id=old, user_id=before if says else None), Party(wa_id=new), 10 * n)
        identities.tell(report)
