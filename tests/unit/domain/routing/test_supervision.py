"""What a supervisor supervises, as the directory says."""

import pytest

from domain.directory import Directory, Number, Skillset, User
from domain.routing.supervision import Supervision

COMPANY = Directory(
    {"1": Number("1", menu={"1": "sales", "2": "workshop"}), "2": Number("2", menu={"1": "sales"}), "3": Number("3")},
    {id_: Skillset(id_, id_) for id_ in ("sales", "workshop", "support")},
    {
        "anna": User("anna", "Anna", "a@example.com", "agent", 2, ("sales", "support")),
        "ben": User("ben", "Ben", "b@example.com", "agent", 2, ("workshop",)),
        "lena": User("lena", "Lena", "l@example.com", "supervisor", 0, ("workshop",)),
    },
)


def test_it_comes_from_members_and_menus() -> None:
    assert Supervision(("workshop",), ("ben", "lena"), ("1",)) == Supervision.of(["workshop"], COMPANY)
    assert Supervision(("sales", "workshop"), ("anna", "ben", "lena"), ("1", "2")) == Supervision.of(
        ["workshop", "sales"], COMPANY
    )


@pytest.mark.parametrize("skillsets", [[], ["gone"]])
def test_without_a_skillset_of_the_directory_it_covers_nothing(skillsets: list[str]) -> None:
    nothing = Supervision.of(skillsets, COMPANY)
    assert Supervision() == nothing
    assert not nothing.covers(None, "", True, "1")
    assert not nothing.covers("skillset", "gone", False, "1")


@pytest.mark.parametrize(
    ("owner", "is_unmanaged", "number", "covered"),
    [
        (("skillset", "workshop"), False, "3", True),
        (("user", "ben"), False, "3", True),
        (("skillset", "sales"), False, "1", False),
        (("user", "anna"), False, "1", False),
        (("user", "workshop"), False, "3", False),
        ((None, ""), True, "1", True),
        ((None, ""), True, "2", False),
        ((None, ""), True, "3", False),
        ((None, ""), False, "1", False),
    ],
)
def test_a_conversation_is_covered_by_its_owner_or_by_its_menu(
    owner: tuple[str | None, str], is_unmanaged: bool, number: str, covered: bool
) -> None:
    assert covered == Supervision.of(["workshop"], COMPANY).covers(*owner, is_unmanaged, number)
