"""What a conversation contributes to the numbers, by the definitions that the page prints."""

from datetime import date

import pytest

from domain.statistics.listings import listings
from domain.statistics.steps import Steps
from tests.support.observed import conversation, counted

OPENED = (0.0, "opened", "no_choice", None, "customer")
LISTED = (0.0, "became_unmanaged", "no_choice", None, "customer")
LOST = (1440.0, "closed", "no_choice", None, "clock")


def test_a_customer_who_chooses_from_the_menu_within_minutes_was_not_left_alone() -> None:
    found = counted(conversation(OPENED, LISTED, (2, "queued", None, "skillset:sales", "customer")))
    assert ("never_listed", "") == (found.outcome, found.reason)
    assert "sales" == found.skillset


def test_a_customer_who_is_on_the_list_now_counts_as_left_alone_and_as_open() -> None:
    found = counted(conversation(OPENED, LISTED))
    assert ("open", "no_choice") == (found.outcome, found.reason)
    assert None is found.listed_s


def test_a_customer_whose_window_ended_without_a_human_is_lost() -> None:
    found = counted(conversation(OPENED, LISTED, LOST))
    assert ("lost", "no_choice", False, 24 * 3600) == (found.outcome, found.reason, found.touched, found.listed_s)


def test_a_conversation_that_only_its_end_puts_on_the_list_is_lost_with_that_reason() -> None:
    found = counted(
        conversation(
            (0, "opened", None, "skillset:sales", "customer"),
            (0, "queued", None, "skillset:sales", "customer"),
            (1440, "became_unmanaged", "nobody_took_it", None, "clock"),
            (1440, "closed", "nobody_took_it", None, "clock"),
        )
    )
    assert ("lost", "nobody_took_it", 0) == (found.outcome, found.reason, found.listed_s)


def test_a_customer_who_was_left_alone_and_then_got_a_human_word_is_rescued_with_the_times() -> None:
    found = counted(
        conversation(
            OPENED,
            LISTED,
            (60, "reserved", None, "skillset:sales", "rule:Last hour"),
            (61, "assigned", None, "user:anna", "routing"),
            (62, "accepted", None, "user:anna", "agent:anna"),
            (66, "managed", None, "user:anna", "agent:anna"),
            (1500, "closed", None, None, "clock"),
            first_word=66,
        )
    )
    assert ("rescued", "no_choice", True) == (found.outcome, found.reason, found.touched)
    assert (61 * 60, 66 * 60, 60 * 60) == (found.assigned_s, found.word_s, found.listed_s)
    assert (("Last hour",), "rule:Last hour") == (found.rules, found.saved_by)
    assert [("anna", "accepted")] == [(offer.agent, offer.result) for offer in found.offers]


def test_a_human_word_that_becomes_known_after_the_end_ends_the_stay_on_the_list_when_it_was_written() -> None:
    late = (1500.0, "corrected", None, None, "app")
    found = counted(conversation(OPENED, LISTED, LOST, late, (1500, "closed", None, None, "clock"), first_word=3))
    assert ("never_listed", True, 180) == (found.outcome, found.touched, found.word_s)
    found = counted(conversation(OPENED, LISTED, LOST, late, (1500, "closed", None, None, "clock"), first_word=90))
    assert ("rescued", 90 * 60, 90 * 60) == (found.outcome, found.word_s, found.listed_s)


def test_a_customer_who_came_back_to_the_list_unanswered_is_lost_although_a_human_wrote_before() -> None:
    found = counted(
        conversation(
            OPENED,
            LISTED,
            (10, "managed", None, None, "app"),
            (300, "became_unmanaged", "no_reply", None, "clock"),
            (1440, "closed", "no_reply", None, "clock"),
            first_word=10,
        )
    )
    assert ("lost", "no_reply", True) == (found.outcome, found.reason, found.touched)
    assert (10 + 1140) * 60 == found.listed_s


def test_a_dismissed_conversation_is_neither_rescued_nor_lost() -> None:
    dismissed = (30.0, "dismissed", None, None, "admin")
    found = counted(conversation(OPENED, LISTED, dismissed, (1440, "closed", None, None, "clock")))
    assert ("dismissed", "no_choice", 30 * 60) == (found.outcome, found.reason, found.listed_s)
    undone = counted(
        conversation(OPENED, LISTED, dismissed, (31, "became_unmanaged", "no_choice", None, "admin"), LOST)
    )
    assert "lost" == undone.outcome


def test_offers_count_as_accepted_declined_lapsed_or_withdrawn() -> None:
    seen = conversation(
        (0, "opened", None, "skillset:sales", "customer"),
        (1, "assigned", None, "user:anna", "routing"),
        (2, "assigned", None, "user:ben", "agent:anna"),
        (3, "queued", None, "skillset:sales", "clock"),
        (4, "assigned", None, "user:carla", "routing"),
        (5, "became_unmanaged", "nobody_took_it", None, "admin"),
        (6, "assigned", None, "user:anna", "admin"),
        (7, "managed", None, "user:anna", "agent:anna"),
    )
    assert [("anna", "declined"), ("ben", "lapsed"), ("carla", "withdrawn"), ("anna", "accepted")] == [
        (offer.agent, offer.result) for offer in counted(seen).offers
    ]


@pytest.mark.parametrize(("zone", "day", "hour"), [("Europe/Rome", 2, 11), ("Pacific/Auckland", 2, 23)])
def test_the_day_and_hour_are_those_of_the_numbers_place(zone: str, day: int, hour: int) -> None:
    found = counted(conversation(OPENED), zone)
    assert (date(2026, 3, day), hour) == (found.day, found.hour)


WRONG = (
    (0.0, "opened", "no_choice", None, "customer"),
    (1.0, "became_unmanaged", "invalid_choice", None, "customer"),
    (1440.0, "closed", "invalid_choice", None, "clock"),
)


def test_the_steps_of_the_menu_count_once_the_conversation_is_over() -> None:
    steps = Steps(frozenset({"", "buy"}), "buy")
    found = counted(conversation(OPENED, LISTED, LOST), steps=steps)
    assert (("", "buy"), "buy") == (found.steps, found.left_step)
    assert None is counted(conversation(OPENED, LISTED), steps=steps).left_step


def test_a_customer_who_was_helped_at_once_was_left_at_no_step() -> None:
    helped = conversation(OPENED, LISTED, (2, "managed", None, None, "app"), (1440, "closed", None, None, "clock"))
    found = counted(helped, steps=Steps(frozenset({""}), ""))
    assert (("",), None) == (found.steps, found.left_step)


def test_a_choice_that_is_not_on_the_first_menu_is_a_step_of_its_own() -> None:
    found = counted(conversation(*WRONG), steps=Steps(frozenset({""}), ""))
    assert (("", "?"), "?") == (found.steps, found.left_step)
    understood = counted(conversation(*WRONG), steps=Steps(frozenset({"", "orders"}), "orders"))
    assert (("", "orders"), "orders") == (understood.steps, understood.left_step)


def test_each_stay_on_the_list_is_told_apart() -> None:
    seen = conversation(
        OPENED,
        (2, "queued", None, "skillset:sales", "customer"),
        (9, "became_unmanaged", "nobody_took_it", None, "clock"),
    )
    assert [("no_choice", False), ("nobody_took_it", True)] == [(each.reason, each.counts) for each in listings(seen)]
