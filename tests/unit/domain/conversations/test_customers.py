"""Customer identity resolution (domain.md, Customers)."""

from datetime import datetime
from itertools import permutations

import pytest

from domain.conversations.conversation import FactRef, fact_ref
from domain.conversations.customers.identities import Identity, IdentityKey, keys_of
from domain.conversations.customers.identity_index import IdentityIndex
from domain.facts import CustomerIdentityChanged, Party
from domain.ids import CustomerId, fact_id
from tests.support.stories import at

N = "106540352242922"


def index() -> IdentityIndex:
    return IdentityIndex([])


def changed(old: Party, new: Party, hour: float) -> CustomerIdentityChanged:
    moment = at(hour)
    return CustomerIdentityChanged(
        id=fact_id("c", str(hour)), phone_number_id=N, at=moment, sent_at=moment, wamid="w", customer=old, becomes=new
    )


def resolve(identities: IdentityIndex, hour: float, **party: str) -> CustomerId:
    return identities.resolve(keys_of(N, Party(**party)), FactRef(at(hour), 0, fact_id(str(hour), str(party))))


def report(identities: IdentityIndex, change: CustomerIdentityChanged) -> CustomerId | None:
    identities.report([change])
    return identities.owner(change)


def test_a_phone_that_gets_a_user_id_stays_the_same_customer() -> None:
    identities = index()
    first = resolve(identities, 0, wa_id="391")
    assert first == resolve(identities, 1, wa_id="391", user_id="IT.1") == resolve(identities, 2, user_id="IT.1")


def test_a_phone_with_another_user_id_is_another_customer_and_their_conversations_stay_apart() -> None:
    identities = index()
    before = resolve(identities, 0, wa_id="391", user_id="IT.1")
    stranger = resolve(identities, 1, wa_id="391", user_id="IT.2")
    assert before != stranger
    assert stranger == resolve(identities, 2, wa_id="391")
    assert before == resolve(identities, 2, user_id="IT.1")
    assert {} == identities.merged


def test_a_phone_points_to_its_latest_user_id_in_any_order_of_arrival() -> None:
    identities = index()
    later = resolve(identities, 5, wa_id="391", user_id="IT.2")
    resolve(identities, 1, wa_id="391", user_id="IT.1")
    assert later == resolve(identities, 6, wa_id="391")


def test_a_phone_and_a_user_id_that_were_seen_separately_are_joined_by_a_message_that_names_both() -> None:
    identities = index()
    phone, user = resolve(identities, 0, wa_id="391"), resolve(identities, 1, user_id="IT.1")
    both = resolve(identities, 2, wa_id="391", user_id="IT.1")
    assert {max(phone, user): both} == identities.merged
    assert both == resolve(identities, 3, wa_id="391") == resolve(identities, 3, user_id="IT.1") == min(phone, user)


def test_national_variants_of_a_phone_are_one_customer() -> None:
    identities = index()
    assert resolve(identities, 0, wa_id="5511987654321") == resolve(identities, 1, wa_id="551187654321")


def test_a_group_is_its_own_customer() -> None:
    identities = index()
    assert resolve(identities, 0, wa_id="391") != resolve(identities, 0, wa_id="391", group_id="G")


def test_a_change_of_user_id_that_meta_reports_joins_in_any_order() -> None:
    for order in permutations(range(3)):
        identities = index()
        for place in order:
            match place:
                case 0:
                    resolve(identities, 0, user_id="IT.1")
                case 1:
                    report(identities, changed(Party(user_id="IT.1"), Party(user_id="IT.2"), 1))
                case _:
                    resolve(identities, 2, user_id="IT.2")
        before, after = resolve(identities, 0.5, user_id="IT.1"), resolve(identities, 3, user_id="IT.2")
        assert before == after != resolve(identities, 3, user_id="IT.1")


def test_a_new_phone_belongs_to_the_customer_without_the_conversations_of_its_previous_holder() -> None:
    identities = index()
    stranger = resolve(identities, 0, wa_id="392")
    mover = resolve(identities, 1, wa_id="391")
    report(identities, changed(Party(wa_id="391"), Party(wa_id="392"), 2))
    assert mover == resolve(identities, 3, wa_id="392") != stranger
    assert {} == identities.merged


def test_what_was_written_from_the_new_phone_since_the_change_is_the_customer_s_also_if_it_is_told_late() -> None:
    identities = index()
    mover = resolve(identities, 1, wa_id="391")
    taken_for = resolve(identities, 3, wa_id="392")
    change = changed(Party(wa_id="391"), Party(wa_id="392"), 2)
    report(identities, change)
    assert mover == resolve(identities, 4, wa_id="392") != resolve(identities, 4, wa_id="391")
    assert {mover: fact_ref(change), taken_for: fact_ref(change)} == identities.lost


def test_a_known_identity_is_written_again_only_once_a_day() -> None:
    known = index()
    resolve(known, 0, wa_id="391", user_id="IT.1")
    identities = IdentityIndex(known.learned.values())
    resolve(identities, 1, wa_id="391", user_id="IT.1")
    assert {} == identities.learned
    resolve(identities, 30, wa_id="391", user_id="IT.1")
    assert [at(30)] == [_time(i) for i in identities.learned.values()]


def test_a_party_without_an_identity_is_rejected() -> None:
    with pytest.raises(ValueError, match="customer: needs wa_id, user_id or group_id"):
        resolve(index(), 0, name="Anna")


def _time(identity: Identity) -> datetime:
    return identity.at


def test_a_customer_is_found_by_user_id_first_then_by_phone_and_a_group_only_by_itself() -> None:
    assert [IdentityKey(N, "u", "IT.1"), IdentityKey(N, "w", "391")] == keys_of(N, Party(wa_id="391", user_id="IT.1"))
    assert [IdentityKey(N, "g", "G")] == keys_of(N, Party(wa_id="391", user_id="IT.1", group_id="G"))


def test_a_known_phone_whose_user_id_becomes_known_needs_no_join() -> None:
    identities = index()
    resolve(identities, 0, wa_id="391")
    resolve(identities, 1, wa_id="391", user_id="IT.1")
    assert {} == identities.merged


def test_a_change_of_user_id_between_two_known_customers_joins_them() -> None:
    identities = index()
    old, new = resolve(identities, 0, user_id="IT.1"), resolve(identities, 1, user_id="IT.2")
    report(identities, changed(Party(user_id="IT.1"), Party(user_id="IT.2"), 2))
    assert {max(old, new): min(old, new)} == identities.merged


def test_a_new_phone_that_is_reported_with_its_user_id_points_to_that_user() -> None:
    """A stranger who writes from that phone later, with a user id of their own, is not joined."""
    for known in ([], ["392"]):
        identities = index()
        for phone in known:
            resolve(identities, 0, wa_id=phone)
        mover = report(identities, changed(Party(wa_id="391"), Party(wa_id="392", user_id="IT.1"), 2))
        assert mover != resolve(identities, 3, wa_id="392", user_id="IT.2")
        assert {} == identities.merged


def test_two_changes_in_a_row_make_one_customer() -> None:
    """A customer that was joined into another one follows when that one is joined too."""
    identities = index()
    customers = [resolve(identities, 0, user_id=f"IT.{n}") for n in range(3)]
    for first, second in ((0, 1), (1, 2)):
        report(identities, changed(Party(user_id=f"IT.{first}"), Party(user_id=f"IT.{second}"), first + 1))
    one = min(customers)
    assert {customer: one for customer in customers if customer != one} == identities.merged
    assert {one} == {resolve(identities, n + 0.5, user_id=f"IT.{n}") for n in range(3)}


def test_a_phone_without_a_user_id_is_written_again_only_once_a_day() -> None:
    known = index()
    resolve(known, 0, wa_id="391")
    for hour, written in ((24, []), (24.1, [at(24.1)])):
        identities = IdentityIndex(known.learned.values())
        resolve(identities, hour, wa_id="391")
        assert written == [_time(i) for i in identities.learned.values()]


def test_an_identity_has_the_time_at_which_it_was_last_seen_in_any_order_of_arrival() -> None:
    identities = index()
    resolve(identities, 5, wa_id="391")
    resolve(identities, 1, wa_id="391", user_id="IT.1")
    assert {"w": at(5), "u": at(1)} == {key.kind: _time(i) for (key, _), i in identities.learned.items()}
    identities = index()
    resolve(identities, 1, wa_id="391", user_id="IT.1")
    assert {"w": at(1), "u": at(1)} == {key.kind: _time(i) for (key, _), i in identities.learned.items()}
