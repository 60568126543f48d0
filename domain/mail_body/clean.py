"""Texts without characters that disturb readers or mail programs."""

import unicodedata

_DIRECTION_CHANGES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def clean(text: str) -> str:
    """Returns the text without control characters and without characters that change the reading direction. Line feeds
    and tabs stay."""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    return "".join(char for char in text if char in "\n\t" or not _is_removed(char))


def one_line(text: str) -> str:
    """Returns the text with single blanks in place of line ends and of other blanks."""
    return " ".join(text.split())


def _is_removed(char: str) -> bool:
    category, direction = unicodedata.category(char), unicodedata.bidirectional(char)
    return category in ("Cc", "Cs", "Zl", "Zp") or direction in _DIRECTION_CHANGES
