"""Who is who: what the identities of webhooks mean (domain.md, Customers)."""

from datetime import datetime
from itertools import permutations

import pytest

from domain.conversations.customers import Identity, IdentityIndex, IdentityKey, keys_of
from domain.facts import CustomerIdentityChanged, Party
from domain.ids import CustomerId, fact_id
from tests.support.stories import at

N = "106540352242922"


def book() -> IdentityIndex:
    return IdentityIndex([])


def changed(old: Party, new: Party, hour: float) -> CustomerIdentityChanged:
    moment = at(hour)
    return CustomerIdentityChanged(
        id=fact_id("c", str(hour)), phone_number_id=N, at=moment, sent_at=moment, wamid="w", customer=old, becomes=new
    )


def resolve(b: IdentityIndex, hour: float, **party: str) -> CustomerId:
    return b.resolve(keys_of(N, Party(**party)), at(hour))


def test_a_phone_that_gets_a_user_id_stays_the_same_customer() -> None:
    b = book()
    first = resolve(b, 0, wa_id="391")
    assert first == resolve(b, 1, wa_id="391", user_id="IT.1") == resolve(b, 2, user_id="IT.1")


def test_a_phone_with_another_user_id_is_another_customer_whose_chats_never_meet() -> None:
    b = book()
    before = resolve(b, 0, wa_id="391", user_id="IT.1")
    stranger = resolve(b, 1, wa_id="391", user_id="IT.2")
    assert before != stranger
    assert stranger == resolve(b, 2, wa_id="391")
    assert before == resolve(b, 2, user_id="IT.1")
    assert {} == b.merged


def test_a_phone_points_to_its_latest_user_id_whatever_arrives_first() -> None:
    b = book()
    later = resolve(b, 5, wa_id="391", user_id="IT.2")
    resolve(b, 1, wa_id="391", user_id="IT.1")
    assert later == resolve(b, 6, wa_id="391")


def test_a_phone_and_a_user_id_seen_apart_are_joined_by_the_message_that_names_both() -> None:
    b = book()
    phone, user = resolve(b, 0, wa_id="391"), resolve(b, 1, user_id="IT.1")
    both = resolve(b, 2, wa_id="391", user_id="IT.1")
    assert {max(phone, user): both} == b.merged
    assert both == resolve(b, 3, wa_id="391") == resolve(b, 3, user_id="IT.1") == min(phone, user)


def test_national_variants_of_a_phone_are_one_customer() -> None:
    b = book()
    assert resolve(b, 0, wa_id="5511987654321") == resolve(b, 1, wa_id="551187654321")


def test_a_group_is_its_own_customer() -> None:
    b = book()
    assert resolve(b, 0, wa_id="391") != resolve(b, 0, wa_id="391", group_id="G")


def test_a_change_of_user_id_that_meta_reports_joins_in_any_order() -> None:
    for order in permutations(range(3)):
        b = book()
        for place in order:
            match place:
                case 0:
                    resolve(b, 0, user_id="IT.1")
                case 1:
                    b.change(changed(Party(user_id="IT.1"), Party(user_id="IT.2"), 1))
                case _:
                    resolve(b, 2, user_id="IT.2")
        assert resolve(b, 3, user_id="IT.1") == resolve(b, 3, user_id="IT.2")


def test_a_new_number_belongs_to_the_customer_but_not_the_chats_of_who_had_it_before() -> None:
    b = book()
    stranger = resolve(b, 0, wa_id="392")
    mover = resolve(b, 1, wa_id="391")
    b.change(changed(Party(wa_id="391"), Party(wa_id="392"), 2))
    assert mover == resolve(b, 3, wa_id="392") != stranger
    assert {} == b.merged


def test_who_already_wrote_from_the_new_number_is_joined() -> None:
    b = book()
    resolve(b, 1, wa_id="391")
    resolve(b, 3, wa_id="392")
    b.change(changed(Party(wa_id="391"), Party(wa_id="392"), 2))
    assert resolve(b, 4, wa_id="391") == resolve(b, 4, wa_id="392")


def test_nothing_is_learned_from_what_is_known_but_the_time_once_a_day() -> None:
    known = book()
    resolve(known, 0, wa_id="391", user_id="IT.1")
    b = IdentityIndex(known.learned.values())
    resolve(b, 1, wa_id="391", user_id="IT.1")
    assert {} == b.learned
    resolve(b, 30, wa_id="391", user_id="IT.1")
    assert [at(30)] == [_time(i) for i in b.learned.values()]


def test_a_party_that_names_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="customer: needs wa_id, user_id or group_id"):
        resolve(book(), 0, name="Anna")


def _time(identity: Identity) -> datetime:
    return identity.at


def test_a_customer_is_found_by_user_id_first_then_by_phone_and_a_group_only_by_itself() -> None:
    assert [IdentityKey(N, "u", "IT.1"), IdentityKey(N, "w", "391")] == keys_of(N, Party(wa_id="391", user_id="IT.1"))
    assert [IdentityKey(N, "g", "G")] == keys_of(N, Party(wa_id="391", user_id="IT.1", group_id="G"))


def test_a_known_phone_whose_user_id_becomes_known_needs_no_join() -> None:
    b = book()
    resolve(b, 0, wa_id="391")
    resolve(b, 1, wa_id="391", user_id="IT.1")
    assert {} == b.merged


def test_a_change_of_user_id_between_two_known_customers_joins_them() -> None:
    b = book()
    old, new = resolve(b, 0, user_id="IT.1"), resolve(b, 1, user_id="IT.2")
    b.change(changed(Party(user_id="IT.1"), Party(user_id="IT.2"), 2))
    assert {max(old, new): min(old, new)} == b.merged


def test_a_new_phone_that_is_reported_with_its_user_id_points_to_that_user() -> None:
    """A stranger who writes from that phone later, with a user id of their own, is not joined."""
    for known in ([], ["392"]):
        b = book()
        for phone in known:
            resolve(b, 0, wa_id=phone)
        mover = b.change(changed(Party(wa_id="391"), Party(wa_id="392", user_id="IT.1"), 2))
        assert mover != resolve(b, 3, wa_id="392", user_id="IT.2")
        assert {} == b.merged


def test_two_changes_in_a_row_make_one_customer() -> None:
    """Whoever was joined into a customer that is joined again is joined into the last one."""
    b = book()
    customers = [resolve(b, 0, user_id=f"IT.{n}") for n in range(3)]
    for first, second in ((0, 1), (1, 2)):
        b.change(changed(Party(user_id=f"IT.{first}"), Party(user_id=f"IT.{second}"), first + 1))
    one = min(customers)
    assert {customer: one for customer in customers if customer != one} == b.merged
    assert {one} == {resolve(b, 9, user_id=f"IT.{n}") for n in range(3)}
