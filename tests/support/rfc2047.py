"""A strict reader of header lines: it accepts only what RFC 5322 and RFC 2047 allow, and returns what a person sees.

It shares no code with the `email` package, and none with our writer.
"""

import re
from base64 import b64decode

_ENCODED = re.compile(r"=\?utf-8\?b\?((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)\?=")


def unfolded(header: str) -> tuple[str, str]:
    """Returns the name and the text of a header with its folding removed. Raises AssertionError for an illegal line."""
    assert header.isascii()
    lines = header.split("\r\n")
    for number, line in enumerate(lines):
        assert "\r" not in line and "\n" not in line and line.strip(), "a bare line end or an empty line"
        assert len(line) <= (76 if "=?" in line else 998), f"{len(line)} characters in a line"
        assert number == 0 or line.startswith(" "), "a continuation without a blank"
    name, _, text = "".join(lines).partition(": ")
    return name, text


def seen(text: str) -> str:
    """Returns the text with its encoded words decoded, each by itself. Raises AssertionError for an illegal one."""
    shown, blanks, after_encoded = "", "", False
    for part in re.split(r"( +)", text):
        encoded = _ENCODED.fullmatch(part)
        if part.isspace():
            blanks = part
            continue
        # what separates two encoded words is not shown
        shown += "" if encoded and after_encoded else blanks
        blanks, after_encoded = "", encoded is not None
        if encoded is None:
            assert "=?" not in part, "neither text nor an encoded word"
            shown += part
            continue
        assert len(part) <= 75, f"an encoded word of {len(part)} characters"
        assert encoded[1], "an empty encoded word"
        # strict: a word that ends inside a character is an error
        shown += b64decode(encoded[1], validate=True).decode("utf-8", "strict")
    return shown + blanks
