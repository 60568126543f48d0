"""Validates the tables of a directory file; each error names the key, what is wrong and how to fix it."""

import json
import re
from collections.abc import Collection
from datetime import time
from difflib import get_close_matches
from itertools import pairwise
from typing import Annotated, Any, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from domain.directory import Language, Level, Number, Opening, Skillset, TextKind, User, Weekday
from domain.opt_outs.words import plain
from domain.outside_names import is_phone_number_id
from domain.retention.periods import LONGEST, SHORTEST_MESSAGES, Retention, contradiction
from domain.routing.suggestions import is_telling


def worded(message: str) -> PydanticCustomError:
    """Returns the error of a validator that says itself what is wrong and how to fix it."""
    return PydanticCustomError("worded", "{message}", {"message": message})


def _id(value: str) -> str:
    if not re.fullmatch(r"\S{1,64}", value) or not value.isprintable():
        raise worded(f"{quoted(value)} is not an id; use 1 to 64 characters and no spaces")
    return value


def _phone_number_id(value: str) -> str:
    if not is_phone_number_id(value):
        raise worded(f'{quoted(value)} is not a phone number id; use the "Phone number ID" (digits) that Meta shows')
    return value


def _name(value: str) -> str:
    if len(value) > 200 or not value.isprintable():
        raise worded("too long or not printable; use at most 200 characters on one line")
    return value


def _email(value: str) -> str:
    # SES accepts domains in any script, but only ASCII local parts (domain.md, Mail).
    if len(value) > 254 or not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[^\s@.]+(\.[^\s@.]+)+", value):
        raise worded(f'{quoted(value)} is not an email address; write it like "anna@example.com"')
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):
        closest = get_close_matches(value, available_timezones(), 1)
        raise worded(
            f"there is no time zone {quoted(value)}; "
            + (f'did you mean "{closest[0]}"?' if closest else 'use a name like "Europe/Rome"')
        ) from None
    return value


def _opening(value: object) -> Opening:
    """Parses `HH:MM-HH:MM`. Raises an error for any other text, an empty interval, or one that crosses midnight."""
    times = re.fullmatch(r"(\d{1,2}):([0-5]\d) ?[-–] ?(\d{1,2}):([0-5]\d)", value) if isinstance(value, str) else None
    if times is None:
        raise worded(f'{quoted(value)} are not hours; write them like "09:00-13:00"')
    start, end = (int(hour) * 60 + int(minute) for hour, minute in (times.groups()[:2], times.groups()[2:]))
    if start >= 24 * 60 or end > 24 * 60:
        raise worded(f"{quoted(value)} is outside the day; use times from 00:00 to 24:00")
    if start == end:
        raise worded(f'{quoted(value)} is empty; write "00:00-24:00" for the whole day')
    if start > end:
        first, second = f"{_clock(start)}-24:00", f"00:00-{_clock(end)}"
        raise worded(f'{quoted(value)} crosses midnight; split it: "{first}" here and "{second}" on the next day')
    return Opening(time(*divmod(start, 60)), time.max if end == 24 * 60 else time(*divmod(end, 60)))


def _without_overlaps(openings: list[Opening]) -> list[Opening]:
    ordered = sorted(openings, key=lambda opening: opening.start)
    for one, next_one in pairwise(ordered):
        if next_one.start < one.end:
            raise worded(f'"{hours_text(one)}" and "{hours_text(next_one)}" overlap; merge or separate them')
    return ordered


class Table(BaseModel):
    """A table whose fields have a `description` and `examples`; error messages are made of them."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


DirectoryId = Annotated[str, AfterValidator(_id)]
DirectoryName = Annotated[str, AfterValidator(_name)]
MailAddress = Annotated[str, AfterValidator(_email)]
_Openings = Annotated[
    list[Annotated[Opening, BeforeValidator(_opening)]],
    AfterValidator(_without_overlaps),
    Field(description="a list of hours", examples=['["09:00-13:00", "14:00-18:00"]']),
]


def _skillset_word(value: str) -> str:
    if not is_telling(value) or not value.isprintable() or len(value) > MAX_WORD:
        raise worded(f"{quoted(value)} is no word to look for; use one word of 3 to {MAX_WORD} letters")
    return value


MAX_WORD = 60
"""Longest word of a skillset, in characters."""

_SkillsetWord = Annotated[str, AfterValidator(_skillset_word)]


class SkillsetTable(Table):
    id: DirectoryId = Field(description="a string", examples=['"sales"'])
    name: DirectoryName = Field(description="a string", examples=['"Sales"'])
    words: list[_SkillsetWord] = Field([], description="a list of words", examples=['["invoice", "refund"]'])

    def to_skillset(self) -> Skillset:
        return Skillset(self.id, self.name, tuple(dict.fromkeys(self.words)))


class UserTable(Table):
    id: DirectoryId = Field(description="a string", examples=['"anna"'])
    name: DirectoryName = Field(description="a string", examples=['"Anna Rossi"'])
    email: MailAddress = Field(description="a string", examples=['"anna@example.com"'])
    level: Level = Field(description=f"one of {', '.join(get_args(Level))}", examples=['"agent"'])
    max_conversations: int = Field(ge=0, le=1000, description="a whole number from 0 to 1000", examples=["3"])
    skillsets: list[str] = Field([], description="a list of skillset ids", examples=['["sales"]'])

    def to_user(self) -> User:
        skillsets = tuple(dict.fromkeys(self.skillsets))
        return User(self.id, self.name, self.email, self.level, self.max_conversations, skillsets)


class HoursTable(Table):
    mon: _Openings = []
    tue: _Openings = []
    wed: _Openings = []
    thu: _Openings = []
    fri: _Openings = []
    sat: _Openings = []
    sun: _Openings = []

    def to_hours(self) -> dict[Weekday, tuple[Opening, ...]]:
        days: dict[Weekday, list[Opening]] = {day: getattr(self, day) for day in get_args(Weekday)}
        return {day: tuple(openings) for day, openings in days.items() if openings}


def _open_at_all(hours: HoursTable) -> HoursTable:
    if not hours.to_hours():
        raise worded("there are none; leave hours out for a number that is always open")
    return hours


def _text(value: str) -> str:
    if not 1 <= len(value.strip()) <= MAX_TEXT or "\x00" in value:
        raise worded(f"empty, too long or not printable; use 1 to {MAX_TEXT} characters")
    return value.strip()


MAX_TEXT = 1000
"""Longest text of a number, in characters, without its menu."""

_Text = Annotated[
    Annotated[str, AfterValidator(_text)] | None, Field(description="a text", examples=['"Welcome! {menu}"'])
]


def _opt_out_word(value: str) -> str:
    if not plain(value) or not value.isprintable() or len(value.split()) > _MOST_WORDS:
        raise worded(f"{quoted(value)} is nothing that customers could write; use 1 to {_MOST_WORDS} words")
    return value


_MOST_WORDS = 6
_OptOutWord = Annotated[str, AfterValidator(_opt_out_word)]


class SpokenTable(Table):
    greeting: _Text = None
    wrong_choice: _Text = None
    out_of_hours: _Text = None
    opted_out: _Text = None
    opted_in: _Text = None


class TextsTable(Table):
    en: SpokenTable = SpokenTable()
    it: SpokenTable = SpokenTable()

    def to_texts(self) -> dict[Language, dict[TextKind, str]]:
        spoken: dict[Language, SpokenTable] = {language: getattr(self, language) for language in get_args(Language)}
        kinds: tuple[TextKind, ...] = get_args(TextKind)
        texts = {
            language: {kind: text for kind in kinds if (text := getattr(each, kind)) is not None}
            for language, each in spoken.items()
        }
        return {language: each for language, each in texts.items() if each}


def _days(least: int, example: int) -> Any:  # noqa: ANN401 - as pydantic's Field
    described = f"a whole number of days from {least} to {LONGEST}"
    return Field(None, ge=least, le=LONGEST, description=described, examples=[str(example)])


class RetentionTable(Table):
    messages: int | None = _days(SHORTEST_MESSAGES, 365)
    media: int | None = _days(1, 90)
    mails: int | None = _days(1, 365)
    history: int | None = _days(SHORTEST_MESSAGES, 1095)
    audit: int | None = _days(1, 1095)

    def to_retention(self) -> Retention:
        return Retention(self.messages, self.media, self.mails, self.history, self.audit)


def _without_contradictions(table: RetentionTable) -> RetentionTable:
    if (found := contradiction(table.to_retention())) is not None:
        raise worded(f"{found[0]}: {found[1]}")
    return table


class NumberTable(Table):
    phone_number_id: Annotated[str, AfterValidator(_phone_number_id)] = Field(
        description="a string", examples=['"106540352242922"']
    )
    name: DirectoryName = Field("", description="a string", examples=['"Shop"'])
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(
        "UTC", description="a string", examples=['"Europe/Rome"']
    )
    softbot: bool = Field(False, description="true or false, without quotes", examples=["false"])
    hours: Annotated[HoursTable, AfterValidator(_open_at_all)] | None = Field(
        None, description="a table of days and hours", examples=['{ mon = ["09:00-18:00"] }']
    )
    menu: dict[str, str] = Field({}, description="a table of choices and skillsets", examples=['{ "1" = "sales" }'])
    language: Language = Field("en", description=f"one of {', '.join(get_args(Language))}", examples=['"it"'])

    synonyms: dict[str, list[str]] = Field(
        {}, description="a table of choices and lists of words", examples=['{ "1" = ["sales", "buy"] }']
    )

    texts: TextsTable = Field(
        TextsTable(),
        description="a table of languages and texts",
        examples=['{ en = { greeting = "Welcome! {menu}" } }'],
    )

    stop_words: list[_OptOutWord] = Field([], description="a list of words", examples=['["baja", "stop"]'])
    start_words: list[_OptOutWord] = Field([], description="a list of words", examples=['["alta", "start"]'])

    retention: Annotated[RetentionTable, AfterValidator(_without_contradictions)] = Field(
        RetentionTable(), description="a table of what is removed after how many days", examples=["{ messages = 365 }"]
    )

    def to_number(self) -> Number:
        hours = self.hours.to_hours() if self.hours else None
        synonyms = {choice: tuple(words) for choice, words in self.synonyms.items() if words}
        return Number(
            self.phone_number_id,
            self.name,
            self.time_zone,
            self.softbot,
            hours,
            self.menu,
            self.language,
            synonyms,
            self.texts.to_texts(),
            tuple(self.stop_words),
            tuple(self.start_words),
            self.retention.to_retention(),
        )


def problem(model: type[Table], error: ErrorDetails) -> str:
    """Returns a validation error of a table for people: `key: what is wrong; how to fix it`."""
    fields, loc = model.model_fields, error["loc"]
    while len(loc) > 1 and loc[0] in fields and (inner := _inner_table(fields[str(loc[0])].annotation)) is not None:
        fields, loc = inner.model_fields, loc[1:]
    shown, key = ".".join(str(part) for part in error["loc"] if not isinstance(part, int)), str(loc[0]) if loc else ""
    match error["type"]:
        case "worded":
            return f"{shown}: {error['msg']}" if shown else error["msg"]
        case "extra_forbidden":
            return f"{shown}: unknown key; {suggestion(key, fields)}"
        case "missing":
            return f"{shown}: missing; write {key} = {_example(fields[key])}"
        case _:
            field = fields[key]
            return f"{shown}: must be {field.description}; write it like {key} = {_example(field)}"


def _inner_table(annotation: object) -> type[Table] | None:
    """Returns the table that a field holds; None: it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation
    return next((found for part in get_args(annotation) if (found := _inner_table(part)) is not None), None)


def _example(field: FieldInfo) -> object:
    return field.examples[0] if field.examples else field.default


def suggestion(word: str, known: Collection[str]) -> str:
    """Returns the fix for an unknown word: the closest known word, or all known words."""
    closest = get_close_matches(word.lower(), known, 1)
    return f"did you mean {closest[0]}?" if closest else f"use one of {', '.join(known)}"


def quoted(value: object) -> str:
    """Returns a value on one line, in the syntax of the file."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)


def hours_text(opening: Opening) -> str:
    """Returns an opening in the syntax of the file."""
    end = "24:00" if opening.end == time.max else opening.end.isoformat("minutes")
    return f"{opening.start.isoformat('minutes')}-{end}"


def _clock(minutes: int) -> str:
    return "{:02}:{:02}".format(*divmod(minutes, 60))
