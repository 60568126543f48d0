"""What is known when the steps are judged: what the database says, what was found by looking at servers, and how the
installation is set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.setup.sightings import Sighting


@dataclass(frozen=True, slots=True)
class SetupAccount:
    """An account of Meta's, as last asked at `asked_at`. `failure`: why the last attempt failed; `apps`: the names of
    the apps that get its webhooks; None: Meta was never asked; `clock_ahead`: seconds by which Meta's clock is ahead of
    the machine that asked, more than the way of the answer explains; None: Meta did not say."""

    id: str
    asked_at: datetime | None
    failure: str | None
    apps: Sequence[str] | None
    clock_ahead: float | None


@dataclass(frozen=True, slots=True)
class SetupNumber:
    """A number that is in the directory (`listed`), that Meta has (`at_meta`), or that customers wrote to. `name`: for
    people; `has_customers`: there are conversations on the list."""

    id: str
    name: str
    listed: bool
    at_meta: bool
    has_customers: bool


@dataclass(frozen=True, slots=True)
class SetupRecord:
    """What the database says at `now`. `sightings`: when each was last; `administrators`: those who can sign
    in; `version`: of the directory; `templates`: how many Meta has; `mailed_at`: when the last mail was asked for that
    SES accepted; `fetched_at`: when some file was stored."""

    now: datetime
    sightings: Mapping[Sighting, datetime]
    administrators: int
    version: int
    users: int
    numbers: Sequence[SetupNumber]
    accounts: Sequence[SetupAccount]
    templates: int
    mailed_at: datetime | None = None
    fetched_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ServerClock:
    """The clock of a server. `ahead`: seconds by which it is ahead of this machine's, more than the way of the answer
    explains; negative: behind."""

    name: str
    ahead: float


@dataclass(frozen=True, slots=True)
class CertificateSeen:
    """A certificate. `ends_at` None: it could not be read; `problem`: why it could not, or why it is not trusted."""

    name: str
    ends_at: datetime | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ServersSeen:
    """What was found by looking at servers at `at`. `unreachable`: those that did not answer."""

    at: datetime
    clocks: Sequence[ServerClock] = ()
    certificates: Sequence[CertificateSeen] = ()
    unreachable: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SetupTerms:
    """How the installation is set. `webhook_url`: the public address of the webhooks, '' if it is not known; `mails`,
    `files`, `sends`: whether this installation sends mails, keeps files, sends messages; `provider`: people sign in at
    an OpenID provider."""

    webhook_url: str = ""
    mails: bool = False
    files: bool = False
    sends: bool = False
    provider: bool = False
