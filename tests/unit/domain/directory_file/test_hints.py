"""Hints about a directory that is valid and hardly meant."""

from domain.directory import Directory, Number, Skillset, User
from domain.directory_file.hints import DirectoryHint, hints

SALES, ANNA = Skillset("sales", "Sales"), User("anna", "Anna", "a@example.com", "agent", 3, ("sales",))
GREETING = {"en": {"greeting": "Welcome! {menu}"}}
SHOP = Number("1", "Shop", menu={"1": "sales"}, texts=GREETING)  # type: ignore[arg-type]


def of(*tables: Number | Skillset | User) -> list[DirectoryHint]:
    return hints(
        Directory(
            {each.phone_number_id: each for each in tables if isinstance(each, Number)},
            {each.id: each for each in tables if isinstance(each, Skillset)},
            {each.id: each for each in tables if isinstance(each, User)},
        )
    )


def test_a_directory_in_which_everything_leads_to_somebody_has_no_hints() -> None:
    assert [] == of(SHOP, SALES, ANNA)


def test_a_menu_that_leads_to_a_skillset_without_users_is_named_with_its_choice() -> None:
    assert [
        DirectoryHint("unstaffed_choice", "number", "1", "1"),
        DirectoryHint("empty_skillset", "skillset", "sales"),
    ] == of(SHOP, SALES)


def test_a_menu_that_no_greeting_shows_is_named() -> None:
    silent = Number("1", "Shop", menu={"1": "sales"})
    assert [DirectoryHint("menu_not_shown", "number", "1")] == of(silent, SALES, ANNA)
    assert [] == of(Number("1", "Shop", menu={"1": "sales"}, softbot=True), SALES, ANNA)


def test_texts_in_a_language_that_the_number_does_not_speak_are_named() -> None:
    italian = Number("1", "Shop", language="it", texts=GREETING)  # type: ignore[arg-type]
    assert [DirectoryHint("other_language", "number", "1", "en")] == of(italian, SALES, ANNA)


def test_agents_who_get_nothing_and_numbers_without_a_name_are_named() -> None:
    idle = User("ben", "Ben", "b@example.com", "agent", 0)
    assert [
        DirectoryHint("nameless_number", "number", "2"),
        DirectoryHint("user_without_skillset", "user", "ben"),
        DirectoryHint("user_without_capacity", "user", "ben"),
    ] == of(Number("2"), SALES, ANNA, idle)


def test_an_administrator_needs_no_skillset() -> None:
    assert [] == of(SALES, ANNA, User("paola", "Paola", "p@example.com", "tenant_administrator", 0))
