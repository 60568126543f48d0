"""Recipients as people type them, or paste them from a mail program: `Jane <jane@example.com>; bob@example.com`."""

from collections.abc import Iterator


def recipients_in(typed: str) -> tuple[str, ...]:
    """Returns the addresses, separated by commas, semicolons, line ends or blanks. What holds no address is returned as
    it was typed, so that the check of the addresses can name it. Takes time by the length of the text."""
    segments = _split(typed, ";\n\r\t")
    found = list[str]()
    for segment in segments:
        # Outlook separates by semicolons and leaves the comma of "Smith, Jane" without quotes
        is_one = len(segments) > 1 and segment.count("@") == 1 and segment.endswith(">")
        for piece in [segment] if is_one else _split(segment, ","):
            found += _addresses(piece)
    return tuple(found)


def _split(text: str, separators: str) -> list[str]:
    """Splits at separators that are not in quotes or angle brackets, which end with their line at the latest."""
    pieces, begin, inside = list[str](), 0, ""
    for place, char in enumerate(text):
        if char in "\n\r":
            inside = ""
        elif inside:
            inside = "" if char == inside else inside
        elif char in '"<':
            inside = '"' if char == '"' else ">"
        if char in separators and not inside:
            pieces.append(text[begin:place])
            begin = place + 1
    return [stripped for piece in [*pieces, text[begin:]] if (stripped := piece.strip())]


def _addresses(piece: str) -> Iterator[str]:
    """Yields the address of one recipient, with or without a name; or several addresses that blanks separate."""
    if piece.endswith(">") and piece.count("<") == 1:
        yield _bare(piece[piece.index("<") + 1 : -1])
        return
    words = piece.split()
    if len(words) > 1 and all("@" in word for word in words):
        yield from map(_bare, words)
    elif piece.endswith(")") and piece.count("(") == 1:  # jane@example.com (Jane)
        yield _bare(piece[: piece.index("(")])
    else:
        yield _bare(piece)


def _bare(address: str) -> str:
    address = address.strip().strip("'\"")
    return address[7:] if address[:7].lower() == "mailto:" else address
