"""Recipients are read as people type or paste them, and what is wrong can be named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail_body.recipients import recipients_in


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("jane@example.com", ["jane@example.com"]),
        ("a@example.com, b@example.com;c@example.com\nd@example.com\r\n", [f"{n}@example.com" for n in "abcd"]),
        ("a@example.com b@example.com\tc@example.com", [f"{n}@example.com" for n in "abc"]),
        ("Jane <jane@example.com>", ["jane@example.com"]),
        ("Jane Smith <jane@example.com>, Bob <bob@example.com>", ["jane@example.com", "bob@example.com"]),
        ('"Smith, Jane" <jane@example.com>', ["jane@example.com"]),
        ('"Smith; Jane" <jane@example.com>; b@example.com', ["jane@example.com", "b@example.com"]),
        ("Smith, Jane <jane@example.com>; Doe, Bob <bob@example.com>", ["jane@example.com", "bob@example.com"]),
        ("Smith, Jane <jane@example.com>\nDoe, Bob <bob@example.com>", ["jane@example.com", "bob@example.com"]),
        ("<jane@example.com>", ["jane@example.com"]),
        ("< jane@example.com >;", ["jane@example.com"]),
        ("<jane@example.com>,<bob@example.com>", ["jane@example.com", "bob@example.com"]),
        ("a@b.c; Boss <c@d.e>", ["a@b.c", "c@d.e"]),
        ("jane@example.com (Jane)", ["jane@example.com"]),
        ("Jane <mailto:jane@example.com>, mailto:bob@example.com", ["jane@example.com", "bob@example.com"]),
        ("'jane@example.com'", ["jane@example.com"]),
        ('"bob@example.com" <jane@example.com>', ["jane@example.com"]),
        ("Müller, J. <j@bücher.example>; x@example.com", ["j@bücher.example", "x@example.com"]),
        (" ,; \n", []),
    ],
)
def test_addresses_are_found_in_what_is_pasted(typed: str, expected: list[str]) -> None:
    assert expected == list(recipients_in(typed))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("bob, Jane <jane@example.com>", ["bob", "jane@example.com"]),
        ("jane.example.com; b@example.com", ["jane.example.com", "b@example.com"]),
        ("Jane <a@example.com> <b@example.com>", ["Jane <a@example.com> <b@example.com>"]),
        ('"Jane <a@example.com>, b@example.com', ["Jane <a@example.com>, b@example.com"]),
        ("Jane <>", [""]),
        ("Jane jane@example.com", ["Jane jane@example.com"]),
    ],
)
def test_what_holds_no_single_address_is_kept_so_that_it_can_be_named(typed: str, expected: list[str]) -> None:
    """No recipient that somebody typed disappears silently."""
    assert expected == list(recipients_in(typed))


NAMES = st.text(st.characters(exclude_characters='"\r\n'), min_size=1, max_size=20)
ADDRESSES = st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.example", fullmatch=True)


@given(st.lists(st.tuples(NAMES, ADDRESSES), min_size=1, max_size=5), st.sampled_from([", ", "; ", "\n"]))
def test_quoted_names_never_disturb_the_addresses(people: list[tuple[str, str]], separator: str) -> None:
    typed = separator.join(f'"{name}" <{address}>' for name, address in people)
    if "<" not in "".join(name for name, _ in people):
        assert [address for _, address in people] == list(recipients_in(typed))


@given(st.text("ab@<>\"'(),; \n\\"))
def test_any_text_is_read(typed: str) -> None:
    """Every word with an @ is in what is returned."""
    found = " ".join(recipients_in(typed))
    assert typed.count("@") == found.count("@") or "<" in typed or "(" in typed
