"""Commands about campaigns and about who wants no messages (docs/design/campaigns.md, *Commands*)."""

from datetime import time
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, StringConstraints, WithJsonSchema

from domain.command_bodies.parts import CommandPart, NonEmptyId, ShortText, Target, TransferMode

MAX_VARIANTS = 4
MAX_TESTS = 5
"""Test messages of one command, at most."""

Variable = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[\w.]+$")]
"""A variable of a template: the number or name of one in the body, `header`, or `button.0` for that of a button."""
_Column = Annotated[int, Field(ge=0, lt=16_384)]
"""A column of a file, from 0."""
_Value = Annotated[str, StringConstraints(max_length=1024, pattern=r"^[^\x00]*$")]


def _zone(name: str) -> str:
    """Returns the name of a time zone. Raises ValueError."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be a time zone of IANA, e.g. Europe/Rome") from None
    return name


ZoneName = Annotated[str, StringConstraints(min_length=1, max_length=60), AfterValidator(_zone)]


class TemplateName(CommandPart):
    """A template in one language."""

    name: NonEmptyId
    language: NonEmptyId


class ColumnMapping(CommandPart):
    """Which column of a file is what. `parameters`: variable of the template -> column; `values`: variable -> the value
    for everybody, or for those whose cell is empty; `country`: of phones without a country code (ISO 3166), by default
    that of the business number; `line_breaks`: what is done with a line break in a parameter."""

    phone: _Column
    name: _Column | None = None
    language: _Column | None = None
    zone: _Column | None = None
    parameters: dict[Variable, _Column] = Field(default_factory=dict)
    values: dict[Variable, _Value] = Field(default_factory=dict)
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    line_breaks: Literal["problem", "space"] = "problem"


class FromFile(CommandPart):
    """The recipients are the rows of an uploaded file."""

    file_id: UUID
    mapping: ColumnMapping


class FromCustomers(CommandPart):
    """The recipients are customers who have written to the number: those that fit the whole filter, as it is when the
    campaign is planned. `wrote_since`, `wrote_until`: when they wrote last; `reasons`: why they were left alone;
    `language`: of the country of their phone; `campaign_id`: those who got that campaign; `answered`: whether they
    answered it; `values`: variable of the template -> the value for everybody, with `{name}` for the customer's
    name."""

    wrote_since: AwareDatetime | None = None
    wrote_until: AwareDatetime | None = None
    reasons: tuple[NonEmptyId, ...] = ()
    language: NonEmptyId | None = None
    campaign_id: UUID | None = None
    answered: bool | None = None
    values: dict[Variable, _Value] = Field(default_factory=dict)


_TimeOfDay = Annotated[
    time, WithJsonSchema({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"})
]
"""Without a zone, which JSON Schema's own format of times has."""


class QuietHours(CommandPart):
    """When nothing is sent, by the recipient's own clock, e.g. from 20:00 until 9:00."""

    start: _TimeOfDay
    end: _TimeOfDay

    def model_post_init(self, _: object) -> None:
        if self.start == self.end or self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("start and end must be two times of day, without a zone")


class Terms(CommandPart):
    """How a campaign is sent. `canary`: so many first, and the rest if too few of them failed; 0: no canary, None: the
    usual number; `quiet`: None for no quiet hours; `cap_days`: who got a campaign within so many days is skipped;
    `zone`: of recipients of whom none is known, by default that of their country or of the number."""

    canary: Annotated[int, Field(ge=0, le=100_000)] | None = None
    quiet: QuietHours | None = None
    cap_days: Annotated[int, Field(ge=1, le=365)] | None = None
    zone: ZoneName | None = None


class AnswersTo(CommandPart):
    """Who gets the answers of a campaign's recipients, as by a transfer on reply."""

    target: Target
    mode: TransferMode = "exclusive"
    holds_hours: int = Field(default=72, ge=1, le=720)


class CampaignBody(CommandPart):
    """A command about one campaign. `expected_version`: that it must still have."""

    campaign_id: UUID
    expected_version: int | None = Field(default=None, ge=0)

    @property
    def conversation_id(self) -> None:
        """None: a campaign is named by its own id."""


class CreateCampaign(CommandPart):
    """Creates a campaign and reads its recipients; nothing is sent before it is started. `templates`: several are
    compared, each person gets one of them; `into_active`: also to customers in an active conversation."""

    name: ShortText
    phone_number_id: NonEmptyId
    templates: Annotated[tuple[TemplateName, ...], Field(min_length=1, max_length=MAX_VARIANTS)]
    file: FromFile | None = None
    customers: FromCustomers | None = None
    into_active: bool = False
    terms: Terms = Terms()
    answers_to: AnswersTo | None = None

    @property
    def conversation_id(self) -> None:
        """None: it is about no conversation."""

    def model_post_init(self, _: object) -> None:
        if (self.file is None) == (self.customers is None):
            raise ValueError("needs exactly one of file and customers")
        if len({(each.name, each.language) for each in self.templates}) != len(self.templates):
            raise ValueError("templates: each only once")


class StartCampaign(CampaignBody):
    """Starts a campaign, confirms a start that needs a second person, or starts a missed one. `at`: when, None: now;
    `in_own_time`: at the same time of day in each recipient's own zone."""

    at: AwareDatetime | None = None
    in_own_time: bool = False

    def model_post_init(self, _: object) -> None:
        if self.in_own_time and self.at is None:
            raise ValueError("in_own_time: needs a time (at)")


class PauseCampaign(CampaignBody):
    """Pauses a campaign. `note`: why, for those who see it."""

    note: ShortText | None = None


class ResumeCampaign(CampaignBody):
    """Resumes a paused campaign where it stood."""


class CancelCampaign(CampaignBody):
    """Cancels a campaign: who has not got it does not get it."""

    note: ShortText | None = None


class StartWave(CampaignBody):
    """Tries those again whose message failed. `codes`: only with these reasons (Meta's codes, or words, `no_code` for
    none); None: all that can succeed."""

    codes: Annotated[tuple[NonEmptyId, ...], Field(min_length=1, max_length=100)] | None = None


class ResolveRecipients(CampaignBody):
    """Settles recipients of whom nobody knows whether they got it. `row_no`: only this one."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    as_: Literal["assumed_sent", "send_again"] = Field(alias="as")
    row_no: int | None = Field(default=None, ge=1)


class TestCampaign(CampaignBody):
    """Sends a campaign's message to people of the company, with the parameters of one of its rows. `to`: phones;
    `row_no`: by default the first good row."""

    __test__ = False  # not a class of tests

    to: Annotated[tuple[NonEmptyId, ...], Field(min_length=1, max_length=MAX_TESTS)]
    row_no: int | None = Field(default=None, ge=1)


class ChangeAnswers(CampaignBody):
    """Changes who gets the answers from now on; None: nobody in particular."""

    answers_to: AnswersTo | None = None


OptOutScope = Literal["marketing", "all"]


class OptOutBody(CommandPart):
    """Base of commands about customers who want no messages. `phone_number_id`: the business number, None: all."""

    customers: Annotated[tuple[NonEmptyId, ...], Field(min_length=1, max_length=1000)]
    phone_number_id: NonEmptyId | None = None

    @property
    def conversation_id(self) -> None:
        """None: it is about no conversation."""


class OptOut(OptOutBody):
    """Notes that customers, by phone or user id, want no marketing, or no messages that they did not ask for at all
    (`all`). `evidence`: how that is known."""

    scope: OptOutScope = "all"
    evidence: ShortText | None = None


class OptIn(OptOutBody):
    """Ends what customers opted out of."""

    evidence: ShortText | None = None


CampaignCommand = (
    CreateCampaign
    | StartCampaign
    | PauseCampaign
    | ResumeCampaign
    | CancelCampaign
    | StartWave
    | ResolveRecipients
    | TestCampaign
    | ChangeAnswers
)

CAMPAIGN_TYPES: dict[str, type[CampaignCommand]] = {
    "witiop.command.campaign.create.v1": CreateCampaign,
    "witiop.command.campaign.start.v1": StartCampaign,
    "witiop.command.campaign.pause.v1": PauseCampaign,
    "witiop.command.campaign.resume.v1": ResumeCampaign,
    "witiop.command.campaign.cancel.v1": CancelCampaign,
    "witiop.command.campaign.wave.v1": StartWave,
    "witiop.command.campaign.resolve.v1": ResolveRecipients,
    "witiop.command.campaign.test.v1": TestCampaign,
    "witiop.command.campaign.answers.v1": ChangeAnswers,
}
