"""Switches of the Graph stand-in: how they are written, and to which posts they apply."""

import pytest

from infra.local.graph.faults import FAULTS, FaultBoard, FaultSubject, FaultSyntaxError, parse_fault

ANNA = FaultSubject("1", "447700900001", "order_update")
LUCA = FaultSubject("2", "447700900002")


def board(*texts: str) -> FaultBoard:
    made = FaultBoard()
    made.change(on=texts)
    return made


def hits(made: FaultBoard, name: str, *subjects: FaultSubject) -> list[bool]:
    return [made.hit(name, subject) is not None for subject in subjects]


def test_a_switch_applies_to_the_next_posts_to_each_kth_or_after_some() -> None:
    assert [True, True, False, False] == hits(board("error=131056,next=2"), "error", *[ANNA] * 4)
    assert [False, False, True, False, False, True] == hits(board("error=131056,every=3"), "error", *[ANNA] * 6)
    assert [False, False, True, True] == hits(board("error=131056,skip=2"), "error", *[ANNA] * 4)
    assert [False, False, True, False, True, False, False] == hits(
        board("error=131056,skip=1,every=2,next=2"), "error", *[ANNA] * 7
    )


def test_a_switch_applies_to_one_recipient_number_or_template() -> None:
    for condition in ("to=+44 7700 900001", "number=1", "template=order_update"):
        assert [True, False] == hits(board(f"drop-answer,{condition}"), "drop-answer", ANNA, LUCA)
    by_user = FaultSubject("1", "IT.7000001")
    assert [True, False] == hits(board("drop-answer,to=IT.7000001"), "drop-answer", by_user, ANNA)


def test_posts_that_do_not_fit_are_not_counted() -> None:
    assert [False, False, True] == hits(board("error=1,number=1,every=2"), "error", ANNA, LUCA, ANNA)


def test_a_switch_for_one_recipient_wins_over_the_one_for_all_and_a_repeated_one_replaces_it() -> None:
    made = board("error=131056", f"error=131049,to={LUCA.to}", "error=131026")
    assert [(131026, None), (131049, None)] == [
        rule.value for rule in (made.hit("error", ANNA), made.hit("error", LUCA)) if rule
    ]


def test_switches_are_removed_by_name_or_all() -> None:
    made = board("drop-answer", "no-statuses", "latency=5")
    made.change(off=["drop-answer"])
    assert ["no-statuses", "latency"] == [rule["name"] for rule in made.listing()]
    made.change(clear=True, on=["replies=button"])
    assert [{"fault": "replies=button", "name": "replies", "seen": 0, "hits": 0}] == made.listing()
    made.change(clear=True)
    assert not made


def test_a_wrong_change_changes_nothing() -> None:
    made = board("drop-answer")
    for change in ({"on": ["no-statuses", "nonsense"]}, {"off": ["nonsense"]}):
        with pytest.raises(FaultSyntaxError, match="'nonsense' is not a fault; choose one of drop-request, "):
            made.change(clear=True, **change)
    assert ["drop-answer"] == [rule["name"] for rule in made.listing()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("error", "error: the value is missing; write error=CODE or CODE/HTTP_STATUS"),
        ("error=many", "error=many: the value must be CODE or CODE/HTTP_STATUS"),
        ("error=4/200", "error=4/200: the value must be CODE or CODE/HTTP_STATUS"),
        ("error-before=404", "error-before=404: the value must be an HTTP status from 500 to 599"),
        ("late-answer=soon", "late-answer=soon: the value must be seconds"),
        ("late-answer=-1", "late-answer=-1: the value must be seconds"),
        ("late-answer=nan", "late-answer=nan: the value must be seconds"),
        ("drop-answer=yes", "drop-answer=yes: the value must be no value"),
        ("pacing=stop", "pacing=stop: the value must be release or drop"),
        ("status-delays=1/2", "status-delays=1/2: the value must be SECONDS/SECONDS/SECONDS"),
        ("template-text=order_update", "template-text=order_update: the value must be NAME/NEW TEXT"),
        ("people=0", "people=0: the value must be a number from 1"),
        ("other-wa-id=Anna", "other-wa-id=Anna: the value must be digits"),
        ("drop-answer,every=0", "every=0: must be a number from 1"),
        ("drop-answer,next=few", "next=few: must be a number from 1"),
    ],
)
def test_a_switch_that_cannot_be_read_says_what_is_expected(text: str, said: str) -> None:
    with pytest.raises(FaultSyntaxError) as error:
        parse_fault(text)
    assert said == str(error.value)


def test_a_value_may_contain_commas_and_equal_signs() -> None:
    rule = parse_fault("template-text=order_update/Order {{1}}, a=b, is ready,next=2")
    assert (("order_update", "Order {{1}}, a=b, is ready"), 2) == (rule.value, rule.next)


def test_every_switch_has_an_effect_in_words_and_a_default_that_can_be_read() -> None:
    for name, kind in FAULTS.items():
        assert kind.effect
        if kind.default is not None:
            assert name == parse_fault(name).name
