"""Any valid directory."""

from datetime import time, timedelta
from typing import get_args

from hypothesis import strategies as st

from domain.conversations.evidence.menu import normalise
from domain.conversations.reasons import Reason
from domain.directory import Directory, Language, Number, Opening, Skillset, User, Weekday
from domain.rules.rule import Rule, RuleCondition, RuleMail, RuleTemplate, RuleTransfer

IDS = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=64)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), max_size=30).map(lambda name: f"{name} x")
PHONES = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
WORDS = st.lists(st.sampled_from(["refund", "più", "Rückgabe"]), unique=True).map(tuple)
DAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OPENINGS = st.lists(st.times().map(lambda at: at.replace(second=0, microsecond=0)), min_size=1, max_size=5, unique=True)


def openings(times: list[time]) -> tuple[Opening, ...]:
    """Returns openings that each end when the next one begins, and the last one at the end of the day."""
    starts = sorted(times)
    return tuple(Opening(*pair) for pair in zip(starts, [*starts[1:], time.max], strict=True))


@st.composite
def directories(draw: st.DrawFn) -> Directory:
    skillsets = draw(st.lists(IDS, min_size=1, max_size=3, unique=True))
    some = st.lists(st.sampled_from(skillsets), unique=True).map(tuple)
    users = draw(
        st.lists(
            st.builds(User, IDS, NAMES, st.just("anna@münchen.example"), st.just("agent"), st.integers(0, 1000), some),
            max_size=2,
        )
    )
    choices = st.text(st.characters(codec="utf-8"), max_size=20).filter(normalise)
    menus = st.lists(choices, max_size=4, unique_by=normalise).map(
        lambda keys: {key: skillsets[n % len(skillsets)] for n, key in enumerate(keys)}
    )
    hours = st.dictionaries(st.sampled_from(DAYS), OPENINGS.map(openings), min_size=1)
    zones = st.sampled_from(["UTC", "Europe/Rome", "America/Argentina/Buenos_Aires"])
    languages = st.sampled_from(get_args(Language))
    numbers = draw(
        st.lists(
            st.builds(Number, PHONES, NAMES, zones, st.booleans(), st.none() | hours, menus, languages), max_size=2
        )
    )
    return Directory(
        {number.phone_number_id: number for number in numbers},
        {skillset: Skillset(skillset, draw(NAMES), draw(WORDS)) for skillset in skillsets},
        {user.id: user for user in users},
        draw(rules(skillsets)),
    )


def rules(skillsets: list[str]) -> st.SearchStrategy[tuple[Rule, ...]]:
    minutes = st.integers(6, 1440).map(lambda n: timedelta(minutes=n))
    when = st.builds(
        RuleCondition,
        reasons=st.lists(st.sampled_from([reason.value for reason in Reason]), unique=True).map(tuple),
        alone=st.integers(0, 1439).map(lambda n: timedelta(minutes=n)),
        left=st.none() | minutes,
        hours=st.sampled_from([None, "open", "closed"]),
        words=st.lists(st.sampled_from(["refund", "money back", "mon*"]), unique=True).map(tuple),
        languages=st.lists(st.sampled_from(["it", "en"]), unique=True).map(tuple),
        returning=st.sampled_from([None, True, False]),
        had=st.lists(st.sampled_from(skillsets), unique=True).map(tuple),
    )
    transfers = st.builds(RuleTransfer, skillset=st.sampled_from(skillsets), reserve=st.none() | minutes)
    mails = st.builds(RuleMail, st.just(("night@example.com",)), st.sampled_from(["", "Hello"]))
    templates = st.builds(RuleTemplate, NAMES, st.just("en"), st.dictionaries(st.sampled_from(["1", "name"]), NAMES))
    each = st.builds(
        Rule,
        IDS,
        NAMES,
        st.booleans(),
        st.booleans(),
        when,
        st.none() | mails,
        template=st.none() | templates,
        alarm=st.just("night"),
        transfer=st.none() | transfers,
    )
    return st.lists(each, max_size=3, unique_by=lambda rule: rule.id).map(tuple)
