"""Levels by what an OpenID provider says of a person."""

from typing import Any

import pytest

from infra.openid.roles import GivenLevel, Role, level_by, read_role, text_of

ROLES = tuple(
    map(
        read_role,
        ("bosses=tenant_administrator", "north=supervisor:sales", "south=supervisor:workshop+sales", "staff=directory"),
    )
)


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("a=read_only", Role("a", "read_only")),
        ("a=b=read_only", Role("a=b", "read_only")),
        ("CN=Bosses OU=Shop=tenant_administrator", Role("CN=Bosses OU=Shop", "tenant_administrator")),
        ("a=supervisor:x+y", Role("a", "supervisor", ("x", "y"))),
        ("a=directory", Role("a", None)),
    ],
)
def test_a_role_is_read_as_the_setting_writes_it(text: str, role: Role) -> None:
    assert role == read_role(text)


@pytest.mark.parametrize(
    "text", ["", "a", "=read_only", "a=king", "a=agent", "a=supervisor", "a=read_only:sales", "a=directory:sales"]
)
def test_a_role_that_gives_nothing_clear_is_rejected(text: str) -> None:
    with pytest.raises(ValueError):
        read_role(text)


@pytest.mark.parametrize(
    ("claims", "level"),
    [
        ({"groups": ["bosses"]}, GivenLevel("tenant_administrator", None)),
        ({"groups": "staff"}, GivenLevel(None, None)),
        ({"groups": ["staff", "bosses"]}, GivenLevel("tenant_administrator", None)),
        ({"groups": ["south", "north"]}, GivenLevel("supervisor", ("sales", "workshop"))),
        ({"groups": ["Bosses"]}, None),
        ({"groups": [1, None, {"bosses": 1}]}, None),
        ({"groups": 7}, None),
        ({}, None),
    ],
)
def test_the_first_role_that_a_person_has_gives_the_level(claims: dict[str, Any], level: GivenLevel | None) -> None:
    assert level == level_by(ROLES, claims, "groups")


def test_roles_are_found_inside_of_another_claim_and_under_a_name_with_dots() -> None:
    boss = GivenLevel("tenant_administrator", None)
    assert boss == level_by(ROLES, {"realm_access": {"roles": ["bosses"]}}, "realm_access.roles")
    assert boss == level_by(ROLES, {"https://shop.example/roles": ["bosses"]}, "https://shop.example/roles")
    assert level_by(ROLES, {"realm_access": ["roles"]}, "realm_access.roles") is None


@pytest.mark.parametrize("value", [None, 7, "", "  ", "a\nb", "x" * 257, ["anna"]])
def test_a_name_that_is_no_text_on_one_line_is_none(value: object) -> None:
    assert text_of({"name": value}, "name") is None
    assert "Anna" == text_of({"name": " Anna "}, "name")
