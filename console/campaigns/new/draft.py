"""A campaign that is being prepared, as the address of its page says: everything but the person. Nothing of it is
stored before it is created."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from typing import Any, Literal, NamedTuple, Self, cast, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

from werkzeug.datastructures import MultiDict

from console.words import zone_meant
from domain.campaigns.campaign import Campaign, CampaignTemplate
from domain.command_bodies.campaigns import MAX_VARIANTS, CreateCampaign
from domain.conversations.reasons import Reason

DraftSource = Literal["file", "customers"]
"""Where the recipients come from."""
NOT_USED = ""
PARAMETER = "p:"
"""Before the variable of the template that a column fills in."""
MAX_COLUMNS = 60
"""More columns of a file are not offered: their address would be too long."""
_LONGEST = 1024


class TemplateKey(NamedTuple):
    """The name and language of a template."""

    name: str
    language: str

    def __str__(self) -> str:
        return f"{self.name}|{self.language}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        name, mark, language = text.rpartition("|")
        return cls(name[:256], language[:256]) if mark and name and language else None


@dataclass(frozen=True, slots=True)
class Draft:
    """What was chosen so far. `columns`: column of the file -> `phone`, `name`, `language`, `zone`, or `PARAMETER` with
    a variable; None: the guess counts; `values`: variable -> the value for everybody, or for those whose cell is empty;
    `since`, `until`: when customers wrote last, as typed; `answered`: `yes`, `no` or empty; `quiet`: from when until
    when; `answers_to`: kind and id of who gets the answers; `replaces`: a campaign that was created from an earlier
    state of this draft."""

    number: str = ""
    templates: tuple[TemplateKey, ...] = ()
    source: DraftSource | None = None
    file: UUID | None = None
    columns: Mapping[int, str] | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    country: str = ""
    spaces: bool = False
    agreed: bool = False
    since: str = ""
    until: str = ""
    reasons: tuple[str, ...] = ()
    language: str = ""
    tag: UUID | None = None
    answered: str = ""
    name: str = ""
    into_active: bool = False
    canary: str = ""
    quiet: tuple[str, str] = ("", "")
    cap: str = ""
    zone: str = ""
    answers_to: str = ""
    mode: str = "exclusive"
    hours: int = 72
    replaces: UUID | None = None

    @classmethod
    def read(cls, given: "MultiDict[str, str]") -> Self:
        """From an address or a form. Invalid values are ignored."""
        source = given.get("from")
        found = (TemplateKey.parse(each) for each in given.getlist("template")[: 2 * MAX_VARIANTS])
        columns = {
            int(name[1:]): value[:100]
            for name, value in given.items()
            if name[:1] == "c" and name[1:].isascii() and name[1:].isdigit() and int(name[1:]) < MAX_COLUMNS
        }
        hours = given.get("hours", "")
        known = {each.value for each in Reason}
        return cls(
            number=_line(given.get("number"))[:256],
            templates=tuple(dict.fromkeys(each for each in found if each))[:MAX_VARIANTS],
            source=cast(DraftSource, source) if source in get_args(DraftSource) else None,
            file=_uuid(given.get("file")),
            columns=columns or None,
            values={name[2:]: _text(value) for name, value in given.items() if name.startswith("v.") and value},
            country=given.get("country", "").upper() if len(given.get("country", "")) == 2 else "",
            spaces=given.get("breaks") == "space",
            agreed=bool(given.get("agreed")),
            since=given.get("since", "")[:20],
            until=given.get("until", "")[:20],
            reasons=tuple(each for each in dict.fromkeys(given.getlist("reason")) if each in known),
            language=_line(given.get("written"))[:20],
            tag=_uuid(given.get("tag")),
            answered=given.get("answered", "") if given.get("answered") in ("yes", "no") else "",
            name=_line(given.get("name"))[:200],
            into_active=bool(given.get("active")),
            canary=given.get("canary", "")[:6],
            quiet=(given.get("quiet_from", "")[:5], given.get("quiet_to", "")[:5]),
            cap=given.get("cap", "")[:3],
            zone=_line(given.get("zone"))[:64],
            answers_to=_line(given.get("to"))[:256],
            mode="immediate" if given.get("mode") == "immediate" else "exclusive",
            hours=int(hours) if hours.isdecimal() and len(hours) < 5 and 1 <= int(hours) <= 720 else 72,
            replaces=_uuid(given.get("replaces")),
        )

    def args(self, **changes: object) -> dict[str, Any]:
        """Arguments for `url_for`, without defaults."""
        moved = replace(self, **changes)  # type: ignore[arg-type]  # templates pass names of fields
        found: dict[str, Any] = {
            "number": moved.number,
            "template": [str(each) for each in moved.templates],
            "from": moved.source,
            "file": moved.file,
            **{f"c{n}": value for n, value in (moved.columns or {}).items()},
            **{f"v.{name}": value for name, value in moved.values.items()},
            "country": moved.country,
            "breaks": "space" if moved.spaces else None,
            "agreed": 1 if moved.agreed else None,
            "since": moved.since,
            "until": moved.until,
            "reason": list(moved.reasons),
            "written": moved.language,
            "tag": moved.tag,
            "answered": moved.answered,
            "name": moved.name,
            "active": 1 if moved.into_active else None,
            "canary": moved.canary,
            "quiet_from": moved.quiet[0],
            "quiet_to": moved.quiet[1],
            "cap": moved.cap,
            "zone": moved.zone,
            "to": moved.answers_to,
            "mode": moved.mode if moved.mode != "exclusive" else None,
            "hours": moved.hours if moved.hours != 72 else None,
            "replaces": moved.replaces,
        }
        keeps = {name for name in found if name[:1] == "c" and name[1:].isdigit()}
        return {name: value for name, value in found.items() if value or name in keeps}

    def column_of(self, role: str) -> int | None:
        """The column with a role; None: there is none."""
        return next((n for n, each in (self.columns or {}).items() if each == role), None)

    @property
    def parameters(self) -> dict[str, int]:
        """Variable -> the column that fills it in."""
        return {
            each.removeprefix(PARAMETER): n for n, each in (self.columns or {}).items() if each.startswith(PARAMETER)
        }

    def command(self, zone: ZoneInfo) -> dict[str, Any]:
        """The fields of the command that creates the campaign. `zone`: of the page. Times of day are as typed, so the
        command's own rules decide whether they are possible."""
        quiet = {"start": self.quiet[0], "end": self.quiet[1]} if any(self.quiet) else None
        kind, _, target = self.answers_to.partition(":")
        meant = zone_meant(self.zone) if self.zone else None
        return {
            "name": self.name,
            "phone_number_id": self.number,
            "templates": [each._asdict() for each in self.templates],
            "file": {"file_id": self.file, "mapping": self.mapping()} if self.source == "file" else None,
            "customers": self.filter(zone) if self.source == "customers" else None,
            "into_active": self.into_active,
            "terms": {
                "canary": int(self.canary) if self.canary.isdecimal() else None,
                "quiet": quiet,
                "cap_days": int(self.cap) if self.cap.isdecimal() else None,
                "zone": meant.key if meant else zone.key,
            },
            "answers_to": {"target": {"kind": kind, "id": target}, "mode": self.mode, "holds_hours": self.hours}
            if target
            else None,
        }

    def mapping(self) -> dict[str, Any]:
        """Which column is what, as the command names it."""
        return {
            "phone": self.column_of("phone"),
            **{role: self.column_of(role) for role in ("name", "language", "zone")},
            "parameters": self.parameters,
            "values": dict(self.values),
            "country": self.country or None,
            "line_breaks": "space" if self.spaces else "problem",
        }

    def filter(self, zone: ZoneInfo) -> dict[str, Any]:
        """The filter of customers."""
        return {
            "wrote_since": _moment(self.since, zone),
            "wrote_until": _moment(self.until, zone),
            "reasons": self.reasons,
            "language": self.language or None,
            "campaign_id": self.tag,
            "answered": {"yes": True, "no": False}.get(self.answered) if self.tag else None,
            "values": dict(self.values),
        }

    @classmethod
    def of_campaign(cls, campaign: Campaign, templates: Iterable[CampaignTemplate], zone: ZoneInfo) -> Self:
        """The draft from which a campaign was created, to change something of it."""
        made = {"file": campaign.source.get("file"), "customers": campaign.source.get("customers")}
        source: DraftSource = "file" if made["file"] else "customers"
        mapping = made["file"]["mapping"] if made["file"] else {}
        chosen = made["customers"] or {}
        roles = {mapping[role]: role for role in ("phone", "name", "language", "zone") if mapping.get(role) is not None}
        roles |= {column: f"{PARAMETER}{name}" for name, column in mapping.get("parameters", {}).items()}
        terms, quiet, to = campaign.terms, campaign.terms.get("quiet"), campaign.answers_to
        canary, cap = terms.get("canary"), terms.get("cap_days")
        return cls(
            number=campaign.phone_number_id,
            templates=tuple(TemplateKey(each.template.name, each.template.language) for each in templates),
            source=source,
            file=UUID(made["file"]["file_id"]) if made["file"] else None,
            columns=roles or None,
            values=mapping.get("values") or chosen.get("values") or {},
            country=mapping.get("country") or "",
            spaces=mapping.get("line_breaks") == "space",
            agreed=source == "customers",
            since=_typed(chosen.get("wrote_since"), zone),
            until=_typed(chosen.get("wrote_until"), zone),
            reasons=tuple(chosen.get("reasons") or ()),
            language=chosen.get("language") or "",
            tag=_uuid(chosen.get("campaign_id")),
            answered={True: "yes", False: "no"}.get(cast(bool, chosen.get("answered")), ""),
            name=campaign.name,
            into_active=campaign.into_active,
            canary="" if canary is None else str(canary),
            quiet=(quiet["start"][:5], quiet["end"][:5]) if quiet else ("", ""),
            cap="" if cap is None else str(cap),
            zone=terms.get("zone") or "",
            answers_to=f"{to['target']['kind']}:{to['target']['id']}" if to else "",
            mode=to["mode"] if to else "exclusive",
            hours=to["holds_hours"] if to else 72,
            replaces=campaign.id,
        )


def readable(draft: Draft, zone: ZoneInfo) -> CreateCampaign:
    """The body of the command that creates the campaign. Raises pydantic's ValidationError."""
    return CreateCampaign.model_validate(draft.command(zone))


def is_clock(text: str) -> bool:
    """Whether this is a time of day."""
    try:
        time.fromisoformat(text)
    except ValueError:
        return False
    return True


def moment_typed(text: str, zone: ZoneInfo) -> datetime | None:
    """The time that was chosen in a calendar, as the clocks of a time zone show it; None: none was."""
    try:
        found = datetime.fromisoformat(text) if text else None
        return found.replace(tzinfo=found.tzinfo or zone) if found else None
    except ValueError:
        return None


def _moment(text: str, zone: ZoneInfo) -> datetime | str | None:
    """The time that was typed; one that cannot be meant, such as of the year 26, as it was typed: the command refuses
    it, where no filter at all would choose everybody."""
    found = moment_typed(text, zone)
    return found if found and 2000 <= found.year <= 2200 else text or None


def _typed(text: str | None, zone: ZoneInfo) -> str:
    return datetime.fromisoformat(text).astimezone(zone).strftime("%Y-%m-%dT%H:%M") if text else ""


def _line(text: str | None) -> str:
    return " ".join((text or "").replace("\x00", "").split())


def _text(text: str) -> str:
    return text.replace("\x00", "")[:_LONGEST]


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
