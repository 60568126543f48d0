"""Writes a mail as bytes: header lines as RFC 5322 and RFC 2047 demand, and two parts in base64.

The `email` package of the standard library does not do: it loses blanks between encoded words, writes empty and too
long ones, and which of these faults it has depends on the version of Python.
"""

import re
from base64 import b64encode, encodebytes
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote

_WORD = 75
"""Longest encoded word (RFC 2047, section 2)."""
_LINE = 76
"""Longest line with an encoded word; lines of ASCII may be two characters longer."""
_BEGIN, _END = "=?utf-8?b?", "?="
_NEXT = "\r\n "
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+( [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
"""A display name that needs no quotes."""


def text_header(name: str, text: str) -> str:
    """Returns the header with a text as it is: ASCII folded at blanks, anything else in encoded words. The text is one
    line without control characters."""
    if not _is_plain(text):
        return f"{name}: {_encoded(text, len(name) + 2)}"
    lines = [f"{name}:"]
    for number, word in enumerate(text.split(" ")):
        if number and len(lines[-1]) + 1 + len(word) > _LINE + 2:
            lines.append("")
        lines[-1] += f" {word}"
    return "\r\n".join(lines)


def address_header(name: str, addresses: Sequence[str], display_name: str = "") -> str:
    """Returns the header with addresses in ASCII. `display_name`: of the first of them; one line without control
    characters."""
    shown = f"{name}: {_phrase(display_name, len(name) + 2)}"
    written = [f"<{addresses[0]}>" if display_name else addresses[0], *addresses[1:]]
    for number, address in enumerate(written):
        comma = "," if number < len(written) - 1 else ""
        last = shown.rpartition(_NEXT)[2]
        if number == 0 and not display_name:
            shown += address + comma
        elif len(last) + 3 + len(address) > _LINE:
            shown += _NEXT + address + comma
        else:
            shown += " " + address + comma
    return shown


class Attachment(NamedTuple):
    """A file in a message. `name`: one line of at most some hundred bytes."""

    name: str
    mime_type: str
    content: bytes


def message(
    headers: Sequence[str],
    plain: str,
    html: str,
    language: str,
    boundary: str,
    attachments: Sequence[Attachment] = (),
) -> bytes:
    """Returns the whole message: the headers, and the same content as plain text and as HTML, with CR LF line ends.
    `boundary`: has a character that base64 does not have."""
    # base64: no line is too long for a mail server on the way, and the text arrives unchanged.
    outer = f"{boundary}_"
    mixed = [f'Content-Type: multipart/mixed; boundary="{outer}"', "", f"--{outer}"] if attachments else []
    lines = [
        *headers,
        "MIME-Version: 1.0",
        *mixed,
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
        f"Content-Language: {language}",
        "",
    ]
    for kind, content in (("plain", plain), ("html", html)):
        lines += [
            f"--{boundary}",
            f'Content-Type: text/{kind}; charset="utf-8"',
            "Content-Transfer-Encoding: base64",
            "",
            _base64(content.encode()),
        ]
    lines.append(f"--{boundary}--")
    for name, mime_type, file in attachments:
        lines += [
            f"--{outer}",
            f"Content-Type: {mime_type}",
            "Content-Transfer-Encoding: base64",
            "Content-Disposition: attachment;",
            f" filename*=utf-8''{quote(name, safe='')}",
            "",
            _base64(file),
        ]
    if attachments:
        lines.append(f"--{outer}--")
    return "\r\n".join([*lines, ""]).encode()


def _base64(content: bytes) -> str:
    return encodebytes(content).decode().replace("\n", "\r\n")


def capacity(message_bytes: int) -> int:
    """Returns how many bytes of text fit in both parts of a message of that size together."""
    return message_bytes * 57 // 78 - 200  # 57 bytes are one line of 76 characters and CR LF


def _is_plain(text: str) -> bool:
    """Returns whether every reader shows the text as it is written: printable ASCII with single blanks inside."""
    is_safe = text.isascii() and text.isprintable() and "=?" not in text
    return is_safe and text == text.strip(" ") and "  " not in text


def _phrase(display_name: str, indent: int) -> str:
    """Returns a display name: as it is, in quotes, or in encoded words."""
    if not _is_plain(display_name) or len(display_name) > _LINE // 2:
        return _encoded(display_name, indent)
    if not display_name or _ATOMS.fullmatch(display_name):
        return display_name
    return '"' + display_name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _encoded(text: str, indent: int) -> str:
    """Returns the text in encoded words, each on a line of its own; between them readers drop the blank. `indent`: the
    length of what precedes the first."""
    words = []
    rest = text
    while rest:
        room = min(_WORD, _LINE - indent) - len(_BEGIN) - len(_END)
        taken = "".join(_first(rest, room // 4 * 3))
        words.append(_BEGIN + b64encode(taken.encode()).decode() + _END)
        rest, indent = rest[len(taken) :], 1
    return _NEXT.join(words)


def _first(text: str, most: int) -> Iterator[str]:
    """Yields as many whole characters as fit in `most` bytes of UTF-8."""
    for char in text:
        most -= len(char.encode())
        if most < 0:
            return
        yield char
