"""JSON from outside is parsed tolerantly, and the result can be stored."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inbound.json_body import (
    MAX_DEPTH,
    MAX_NODES,
    TOO_DEEP,
    InvalidJson,
    Json,
    TooManyNodes,
    digest,
    dump,
    identifier,
    moment,
    nested,
    parse,
    text,
)

CLEAN: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.sampled_from("abé🦜"), max_size=2), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'"a\u0000b"', "a\ufffdb"),
        (rb'"\ud800"', "\ufffd"),
        (rb'"\ud83e\udd9c"', "🦜"),
        (rb'{"\u0000": {"\udfff": 1}}', {"\ufffd": {"\ufffd": 1}}),
        (b"[1e999, -1e999, 1.5]", [None, None, 1.5]),
        (b"[9223372036854775807, 9223372036854775808]", [2**63 - 1, "9223372036854775808"]),
        (b"[-9223372036854775808, -9223372036854775809]", [-(2**63), "-9223372036854775809"]),
        (b"1" * 4301, "1" * 4301),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b' {"a": [true, null]} ', {"a": [True, None]}),
    ],
)
def test_values_that_postgres_rejects_are_replaced(body: bytes, value: Json) -> None:
    assert value == parse(body)


UNCLEAN: st.SearchStrategy[str] = st.recursive(
    st.sampled_from(
        ['"\\u0000"', '"a\\ud800"', "1e999", "-1E+0400", "9" * 19, "9" * 20, "-" + "9" * 20, "9" * 310, "1.5"]
    )
    | st.sampled_from(["0." + "1" * 30, "9" * 309 + ".0", '"' + "9" * 20 + '"', '"1e999"', "12e30", "null"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
        | st.lists(inner, max_size=3).map(
            lambda parts: "{" + ",".join(f'"\\u000{n}a" :\t{part}' for n, part in enumerate(parts)) + "}"
        )
    ),
    max_leaves=6,
)


@given(UNCLEAN)
def test_a_small_body_is_cleaned_as_a_large_one_is(document: str) -> None:
    """A body with many objects is always looked at value by value."""
    many = ",".join(["{}"] * MAX_DEPTH)

    in_a_large_one = parse(f"[{document},{many}]".encode())

    assert isinstance(in_a_large_one, list)
    assert in_a_large_one[0] == parse(document.encode())


@pytest.mark.parametrize("node", [b"{}", b"[]"])
def test_a_body_with_very_many_objects_is_not_parsed(node: bytes) -> None:
    assert MAX_NODES - 1 == len(parse(b"[" + b",".join([node] * (MAX_NODES - 1)) + b"]"))  # type: ignore[arg-type]

    with pytest.raises(TooManyNodes):
        parse(b"[" + b",".join([node] * MAX_NODES) + b"]")


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 300, 800])
def test_values_nested_too_deep_are_cut_off(levels: int) -> None:
    value = parse(b"[" * levels + b"]" * levels)
    for _ in range(MAX_DEPTH):
        assert isinstance(value, list)
        value = value[0]
    assert value == TOO_DEEP


def test_the_deepest_allowed_level_is_preserved_completely() -> None:
    body = b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH
    assert body == dump(parse(body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{} {}",
        b"NaN",
        b"[Infinity]",
        rb'["\ud800", NaN]',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\x00"',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        "{}".encode("utf-16-le"),
        b"[" * 200_000,
        b"[" * 200_000 + b"]" * 200_000,
    ],
)
def test_bytes_that_are_not_json_in_utf_8_are_rejected(body: bytes) -> None:
    with pytest.raises(InvalidJson):
        parse(body)


@given(CLEAN)
def test_clean_values_are_not_changed(value: Json) -> None:
    assert value == parse(json.dumps(value).encode()) == parse(dump(value))


@given(st.dictionaries(st.text(st.sampled_from("abc"), max_size=2), CLEAN, max_size=4))
def test_the_digest_depends_on_content_and_not_on_the_order_of_keys(value: dict[str, Any]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))
    assert digest(value) != digest({**value, "d": 1})


@pytest.mark.parametrize("value", [None, True, 5, 1.5, "", [], {}])
def test_a_text_is_a_non_empty_string(value: Json) -> None:
    assert (None, "x", None) == (text({"a": value}, "a"), text({"a": "x"}, "a"), text({}, "a"))


@pytest.mark.parametrize("value", [None, True, 5, 1.5, "", " \t", [], {}])
def test_an_id_is_a_non_blank_string(value: Json) -> None:
    assert (None, "x", None) == (identifier({"a": value}, "a"), identifier({"a": "x"}, "a"), identifier({}, "a"))


@pytest.mark.parametrize("value", [None, True, 5, "x", []])
def test_values_that_are_not_objects_are_ignored(value: Json) -> None:
    assert ({}, {"b": 1}) == (nested({"a": value}, "a"), nested({"a": {"b": 1}}, "a"))


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        (1767261600, datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("1767261600", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("253402300799", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_time_is_whole_seconds_as_digits_or_as_an_integer(value: Json, time: datetime) -> None:
    assert time == moment(value)


@pytest.mark.parametrize(
    "value",
    [None, True, False, -1, 1.0, 253402300800, 2**63, [], {}, "", "-1", "+1", " 1", "1 ", "1\n", "1.0", "1e9", "1_0"],
)
def test_other_values_are_not_times(value: Json) -> None:
    assert moment(value) is None


@pytest.mark.parametrize("value", ["٣", "1" * 13, "253402300800", "2026-01-01"])
def test_other_strings_are_not_times(value: str) -> None:
    assert moment(value) is None
