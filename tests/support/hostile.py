"""Hostile input that Python accepts but that breaks servers (reliability.md, Hostile input): one corpus for all tests.

`FRAGMENTS` are JSON values to put in the place of valid ones. `BODIES` are complete bodies as an attacker or a broken
proxy might send them. Attacks on HTTP itself (slow senders, wrong lengths, gzip bombs) are not part of this corpus.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from tests.support.payloads import NAMES, PHONE, SENT, body, raw, value_of

_TIMESTAMP = str(int(SENT.timestamp()))
_LARGEST_BODY = 3 * 1024 * 1024

FRAGMENTS: list[tuple[str, bytes]] = [
    ("NUL", rb'"a\u0000b"'),
    ("lone high surrogate", rb'"a\ud800b"'),
    ("lone low surrogate", rb'"\udc00"'),
    ("surrogates in a key", rb'{"\ud800": {"\u0000": 1}}'),
    ("infinity by size", b"1e999"),
    ("minus infinity by size", b"[-1e999]"),
    ("integer beyond 64 bits", b"9223372036854775808"),
    ("integer of 4301 digits", b"1" * 4301),
    ("digits of 4301 as text", b'"' + b"1" * 4301 + b'"'),
    ("true", b"true"),
    ("null", b"null"),
    ("zero", b"0"),
    ("negative", b"-1"),
    ("fraction", b"1767261600.5"),
    ("1e15", b"1e15"),
    ("seconds as milliseconds", b'"1767261600000"'),
    ("empty text", b'""'),
    ("blank text", b'" \\t\\n"'),
    ("empty object", b"{}"),
    ("empty array", b"[]"),
    ("array of everything", b'[null, true, 1, "a", [], {}]'),
    ("150 levels", b"[" * 150 + b"]" * 150),
    ("500 levels", b'{"a":' * 500 + b"1" + b"}" * 500),
    ("id of 10,000 characters", b'"' + b"x" * 10_000 + b'"'),
    ("10,000 characters of four bytes", b'"' + "🦜".encode() * 10_000 + b'"'),
    ("HTML", b'"<script>alert(1)</script><img src=x onerror=alert(1)>"'),
    ("right to left override", '"\u202egnp.exe\u202c \u2066"'.encode()),
    ("formula of a cell", b"\"=cmd|' /C calc'!A0\""),
    ("CR LF", rb'"a@example.com\r\nBcc: b@example.com"'),
    ("SQL", b'"\'; drop table conversations; --"'),
    ("arabic digits", '"١٧٦٧٢٦١٦٠٠"'.encode()),
    ("user id", b'"US.1349"'),
]
"""JSON values, with a name for the problem of each. A body with any of them is still valid JSON."""


def _text(**more: object) -> dict[str, object]:
    return {"from": PHONE, "id": "wamid.hostile", "timestamp": _TIMESTAMP, "type": "text", "text": {"body": "x"}} | more


def _with_messages(*messages: object) -> bytes:
    document = body("text")
    value_of(document)["messages"] = list(messages)
    return json.dumps(document).encode()


def _without_closing() -> bytes:
    return raw("text").rstrip()[:-1]


BODIES: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("blank", b" \n"),
    ("not JSON", b"hello"),
    ("cut short", _without_closing()),
    ("two documents", raw("text") * 2),
    ("null document", b"null"),
    ("number document", b"1"),
    ("text document", b'"entry"'),
    ("array document", b"[" + raw("text") + b"]"),
    ("no entry", b"{}"),
    ("entry is an object", b'{"object":"whatsapp_business_account","entry":{}}'),
    ("no entries", b'{"object":"whatsapp_business_account","entry":[]}'),
    ("NaN", raw("text").replace(b'"text"', b"NaN")),
    ("Infinity", raw("text").replace(b'"text"', b"-Infinity")),
    ("UTF-16", raw("text").decode().encode("utf-16")),
    ("UTF-16 without mark", raw("text").decode().encode("utf-16-le")),
    ("UTF-32", raw("text").decode().encode("utf-32")),
    ("byte order mark", b"\xef\xbb\xbf" + raw("text")),
    ("invalid UTF-8", raw("text").replace(b"espresso", b"\xff\xfe\xc3")),
    ("overlong UTF-8", raw("text").replace(b"espresso", b"\xc0\x80")),
    ("surrogate in UTF-8", raw("text").replace(b"espresso", b"\xed\xa0\x80")),
    ("raw NUL", raw("text").replace(b"espresso", b"\x00")),
    ("200,000 arrays", b"[" * 200_000),
    ("200,000 arrays, closed", b"[" * 200_000 + b"]" * 200_000),
    ("200,000 objects", b'{"a":' * 200_000 + b"1" + b"}" * 200_000),
    ("nested in a signed shape", raw("text").replace(b'"text"', b"[" * 200_000 + b"]" * 200_000)),
    ("duplicate keys", raw("text").replace(b'"type": "text",', b'"type": "image", "type": "text", "id": null,')),
    ("duplicate entry", raw("text")[:-2] + b',"entry":[]}'),
    ("1,000 updates", _with_messages(*(_text(id=f"wamid.hostile.{n}") for n in range(1000)))),
    ("the same update 1,000 times", _with_messages(*[_text()] * 1000)),
    ("1,000 updates without a sender", _with_messages(*(_text(**{"from": None}) for _ in range(1000)))),
    ("a million empty updates", _with_messages().replace(b"[]", b"[" + b"{}," * 1_000_000 + b"{}]")),
    ("3 MB of text", _with_messages(_text(text={"body": "x" * (_LARGEST_BODY - 1024)}))),
    ("3 MB of one name", raw("text").replace(b"Anna Rossi", b"y" * (_LARGEST_BODY - 4096))),
    ("3 MB of an unknown type", b'{"entry":[{"changes":[{"field":"' + b"z" * (_LARGEST_BODY - 64) + b'"}]}]}'),
    *((f"timestamp {value!r}", _with_messages(_text(timestamp=value))) for value in (0, "0", -1, "-1", 10**15, "1e15")),
    *((f"timestamp {value!r}", _with_messages(_text(timestamp=value))) for value in ("253402300799", "253402300800")),
    *(
        (f"timestamp {value!r}", _with_messages(_text(timestamp=value)))
        for value in (True, None, "", " 1", "1_000", "٣")
    ),
]
"""Complete bodies. The WhatsApp webhook must answer each of them with 200 when signed, unless it is too large."""

GROWING_BODY = b'{"entry":[{"changes":[{"field":"new","value":[' + b"1e15," * (_LARGEST_BODY // 5 - 20) + b"1]}]}]}"
"""A body whose one fact is larger than the body and than a record may be: `1e15` becomes `1000000000000000.0`."""

Path = tuple[str | int, ...]
_PLACE_OF_AN_UPDATE = len(("entry", 0, "changes", 0, "value", "messages", 0))
_MARK = "\N{LATIN SMALL LETTER TURNED DELTA}"


def places(document: object, path: Path = ()) -> Iterator[Path]:
    """Yields the path of every value in a document, outer values first."""
    inner: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(document, dict):
        inner = iter(document.items())
    elif isinstance(document, list):
        inner = iter(enumerate(document))
    yield path
    for step, value in inner:
        yield from places(value, (*path, step))


def spliced(document: Any, place: Path, fragment: bytes) -> bytes:
    """The document as JSON, with the fragment in place of a value."""
    return fragment.join(_around(document, place))


def _around(document: Any, place: Path) -> list[bytes]:
    """What is before and after a value in the document's JSON."""
    if not place:
        return [b"", b""]
    copy = json.loads(json.dumps(document))
    holder = copy
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = _MARK
    return json.dumps(copy).encode().split(json.dumps(_MARK).encode())


def _envelope(document: Any) -> object:
    """A document with the types of its values instead of them; fields of changes stay, they say how to read one."""
    if isinstance(document, dict):
        return {key: value if key == "field" else _envelope(value) for key, value in document.items()}
    if isinstance(document, list):
        return [_envelope(value) for value in document]
    return type(document)


def _is_in_update(place: Path) -> bool:
    return len(place) > _PLACE_OF_AN_UPDATE and place[5] != "contacts"


def hostile_bodies(name: str) -> Iterator[tuple[str, bytes]]:
    """Every fragment at every place of one of our own bodies. Places around the updates only in the first body that has
    the same ones, because they are read before the type of an update plays a part."""
    document = body(name)
    for place in places(document):
        if _is_in_update(place) or name == _first_with_envelope(name):
            around = _around(document, place)
            for what, fragment in FRAGMENTS:
                yield f"{what} at {'.'.join(map(str, place)) or 'the top'}", fragment.join(around)


@cache
def _first_with_envelope(name: str) -> str:
    return next(other for other in NAMES if _envelope_of(other) == _envelope_of(name))


@cache
def _envelope_of(name: str) -> object:
    """What surrounds the updates of a body."""
    document = body(name)
    for place in reversed([*places(document)]):
        if len(place) == _PLACE_OF_AN_UPDATE and place[5] != "contacts":
            holder: Any = document
            for step in place[:-1]:
                holder = holder[step]
            if isinstance(holder, list):
                assert isinstance(place[-1], int)
                del holder[place[-1]]
    return _envelope(document)
