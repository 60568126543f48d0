"""What was found where a campaign was paused or ended by itself, in the language of the page. The domain says it in
English, because events and the command line have it too."""

import re

from console.campaigns import texts
from console.request import translated, words
from domain.campaigns.files.refusals import FILE_PROBLEMS
from domain.contract.texts import gettext_noop

_COUNTS = ("n", "of")
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"(?P<n>\d+) of the last (?P<of>\d+) messages failed with no code"),
        gettext_noop("%(n)s of the last %(of)s messages failed without a code of Meta's"),
    ),
    (
        re.compile(r"(?P<n>\d+) of the last (?P<of>\d+) messages failed with (?P<code>\S+)"),
        gettext_noop("%(n)s of the last %(of)s messages failed with %(code)s"),
    ),
    (
        re.compile(r"of (?P<n>\d+) of the last (?P<of>\d+) messages nobody knows whether they were sent"),
        gettext_noop("of %(n)s of the last %(of)s messages nobody knows whether they were sent"),
    ),
    (
        re.compile(r"(?P<n>\d+) of the first (?P<of>\d+) messages failed"),
        gettext_noop("%(n)s of the first %(of)s messages failed"),
    ),
    (
        re.compile(r"(?P<n>\d+) of the first (?P<of>\d+) people cannot be reached or want no messages"),
        gettext_noop("%(n)s of the first %(of)s people cannot be reached or want no messages"),
    ),
    (
        re.compile(r"of (?P<n>\d+) of the first (?P<of>\d+) messages nobody knows whether they were sent"),
        gettext_noop("of %(n)s of the first %(of)s messages nobody knows whether they were sent"),
    ),
    (
        re.compile(r"(?P<template>.+): category (?P<was>\S*) became (?P<now>\S*)"),
        gettext_noop("%(template)s: category %(was)s became %(now)s"),
    ),
    (re.compile(r"(?P<template>.+): its text was edited"), gettext_noop("%(template)s: its text was edited")),
    (re.compile(r"(?P<template>.+): deleted"), gettext_noop("%(template)s: deleted")),
    (re.compile(r"Meta's error (?P<code>\d+)"), gettext_noop("Meta's error %(code)s")),
)
"""What the domain says (`domain.campaigns.failures`, `domain.campaigns.canary`) -> a text. Words of Meta's, such as the
status of a template, stay as they are."""


def found_words(detail: str) -> str:
    """The detail of what the product did by itself."""
    for form, text in _FORMS:
        if match := form.fullmatch(detail):
            named = match.groupdict()
            return translated(text) % {
                name: words().number(int(value)) if name in _COUNTS else value for name, value in named.items()
            }
    return texts.file_problem(detail, None) if detail in FILE_PROBLEMS else detail
