"""The plan: which rows get a message, and why the others get none."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.campaign import CampaignTemplate
from domain.campaigns.plan.planning import ImportedRow, KnownPeople, PlannedRow, PlanRules, plan_rows, variant_of
from domain.sending.templates import Template

BODY = [{"type": "BODY", "text": "Hi"}]
MARKETING = CampaignTemplate(0, Template("a", "autumn", "en", "APPROVED", "MARKETING", "POSITIONAL", BODY))
UTILITY = CampaignTemplate(1, Template("a", "order", "en", "APPROVED", "UTILITY", "POSITIONAL", BODY))
RULES = PlanRules(lambda _, __: True)

addresses = st.integers(0, 12).map(lambda n: f"39347000000{n}")
rows = st.lists(
    st.builds(
        lambda address, customer, country, zone: ImportedRow(
            0, address, "phone", address, zone, None, UUID(int=customer) if customer else None, country, None
        ),
        addresses,
        st.integers(0, 4),
        st.sampled_from(("", "US", "IT")),
        st.sampled_from((None, "Asia/Tokyo")),
    ),
    max_size=30,
).map(lambda found: [row._replace(row_no=number) for number, row in enumerate(found, 2)])


def plan(given_rows: list[ImportedRow], known: KnownPeople) -> list[PlannedRow]:
    return plan_rows(given_rows, known, [MARKETING], RULES, "UTC")


@given(rows, st.data())
def test_every_row_ends_in_one_state_with_a_reason_and_nobody_twice(
    found: list[ImportedRow], data: st.DataObject
) -> None:
    """C1, C5: also if the rows are planned in parts, as after a crash."""
    numbers = [row.row_no for row in found]
    some = st.sets(st.sampled_from(numbers)) if numbers else st.just(set())
    known = KnownPeople({}, data.draw(some), data.draw(some), data.draw(some))
    planned = plan(found, known)
    assert numbers == [row.row_no for row in planned]
    assert all((row.state == "planned") == (row.reason is None) for row in planned)
    assert all((row.repeats is None) == (row.reason != "duplicate") for row in planned)
    people = [row.person for row in planned if row.person is not None]
    assert len(people) == len(set(people))
    first = {row.person: row.row_no for row in reversed(found)}
    assert all(row.repeats == first[each.person] for row, each in zip(planned, found, strict=True) if row.repeats)
    cut = data.draw(st.integers(0, len(found)))
    earlier = plan(found[:cut], known)
    seen = {row.person: row.row_no for row in earlier if row.person is not None}
    assert planned == earlier + plan(found[cut:], known._replace(earlier=seen))


@given(rows, st.data())
def test_who_must_not_get_it_is_never_planned(found: list[ImportedRow], data: st.DataObject) -> None:
    numbers = [row.row_no for row in found]
    out = data.draw(st.sets(st.sampled_from(numbers))) if numbers else set()
    for row, before in zip(plan(found, KnownPeople({}, opted_out=out)), found, strict=True):
        assert row.state == "skipped" or (row.row_no not in out and before.country != "US")
    none = plan_rows(found, KnownPeople({}), [MARKETING], PlanRules(lambda _, __: False), "UTC")
    assert {"skipped"} >= {row.state for row in none}


@given(addresses, st.permutations([MARKETING, UTILITY]))
def test_an_address_always_gets_the_same_template(address: str, templates: list[CampaignTemplate]) -> None:
    row = ImportedRow(2, address, "phone", address, None, None, None)
    ordered = sorted(templates, key=lambda each: each.variant)
    assert variant_of(row, ordered) == variant_of(row._replace(row_no=99), ordered)


def test_the_templates_are_given_out_evenly() -> None:
    found = [ImportedRow(n, f"39347{n:07}", "phone", f"39347{n:07}", None, None, None) for n in range(2000)]
    share = sum(variant_of(row, [MARKETING, UTILITY]) is UTILITY for row in found)
    assert 900 < share < 1100


def test_marketing_is_not_sent_to_the_united_states_but_other_templates_are() -> None:
    american = ImportedRow(2, "12025550123", "phone", "12025550123", None, None, None, "US")
    for templates, rules, reason in (
        ([MARKETING], RULES, "us_marketing"),
        ([UTILITY], RULES, None),
        ([MARKETING], RULES._replace(us_marketing=True), None),
    ):
        assert reason == plan_rows([american], KnownPeople({}), templates, rules, "UTC")[0].reason
