"""What is wrong with a table, in the language of the page. The validation of the file speaks English; its sentences are
recognised here by their patterns, and one that is not stays as it is."""

from string import Formatter

from console.request import translated
from domain.contract.texts import gettext_noop

_PATTERNS = (
    gettext_noop("{value} is not an id; use 1 to 64 characters and no spaces"),
    gettext_noop('{value} is not a phone number id; use the "Phone number ID" (digits) that Meta shows'),
    gettext_noop("too long or not printable; use at most 200 characters on one line"),
    gettext_noop('{value} is not an email address; write it like "anna@example.com"'),
    gettext_noop('there is no time zone {value}; did you mean "{other}"?'),
    gettext_noop('there is no time zone {value}; use a name like "Europe/Rome"'),
    gettext_noop('{value} are not hours; write them like "09:00-13:00"'),
    gettext_noop("{value} is outside the day; use times from 00:00 to 24:00"),
    gettext_noop('{value} is empty; write "00:00-24:00" for the whole day'),
    gettext_noop('{value} crosses midnight; split it: "{first}" here and "{second}" on the next day'),
    gettext_noop('"{first}" and "{second}" overlap; merge or separate them'),
    gettext_noop("empty, too long or not printable; use 1 to {most} characters"),
    gettext_noop("{value} is nothing that customers could write; use 1 to {most} words"),
    gettext_noop("{value} is no word to look for; use one word of {least} to {most} letters"),
    gettext_noop("must be a whole number from {least} to {most}; write it like {example}"),
    gettext_noop("{value} is already defined; keep only one [[{kind}]] of it"),
    gettext_noop("there is no skillset {value}; add it as a [[skillset]], or {other}"),
    gettext_noop("there is no skillset {value}; add it as a [[skillset]]"),
    gettext_noop("customers cannot choose {value}; use 1 to {most} letters or digits"),
    gettext_noop("{value} and {other} are the same choice; keep one of them"),
    gettext_noop("the Softbot of the number speaks to customers; leave texts out"),
    gettext_noop("the number has no menu; add one, or leave {menu} out"),
)


def problem_text(message: str) -> str:
    """A problem in the language of the page; `message`: as the validation says it, without the name of its key."""
    for pattern in _PATTERNS:
        if (found := _values(pattern, message)) is not None:
            text = translated(pattern)
            for name, value in found.items():
                text = text.replace(f"{{{name}}}", value)
            return text
    return message


def _values(pattern: str, message: str) -> dict[str, str] | None:
    """What stands in a message where a pattern has its names; None: it does not fit. Takes time by the length of the
    message only: what was typed is part of it."""
    (first, name), *others = [(literal, field) for literal, field, _, _ in Formatter().parse(pattern)]
    if not message.startswith(first):
        return None
    place, found = len(first), dict[str, str]()
    for literal, following in [*others, ("", None)] if name else others:
        if name is None:
            break
        is_last = following is None
        end = len(message) - len(literal) if is_last else message.find(literal, place)
        if end < place or not message.startswith(literal, end):
            return None
        found[name] = message[place:end]
        place, name = end + len(literal), following
    return found if place == len(message) else None
