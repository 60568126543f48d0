"""Waves: those whose message failed are tried again, if that can succeed (docs/design/campaigns.md, *Waves*)."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from domain.campaigns.document import StateCount
from domain.campaigns.recipients import NOT_DELIVERED
from domain.sending.graph_errors import status_error

Retry = Literal["now", "later", "never"]
"""When another attempt can succeed: at once, after a while, or not as it is."""

_PERSON_OUT_OF_REACH = frozenset({"131026", "131050", "130472"})
"""The person has no WhatsApp, wants no marketing, or is part of an experiment of Meta's."""
NO_CODE = "no_code"
"""Names messages that failed without a code of Meta's."""
_SAME_REFUSAL = frozenset({"parameters", "window_closed", "undeliverable", "opted_out", "experiment", "marketing_off"})
"""What helps against an error (`GraphError.help`) that the same message would meet again."""


class RetryPreview(NamedTuple):
    """What another wave could do. `now`, `later`, `never`: recipients whose message failed; `later_from`,
    `later_until`: when the first and the last of those can succeed; `unknown`: of whom nobody knows whether they got
    it: they are not tried again before that is settled; `codes`: reason -> recipients and when they can succeed."""

    now: int
    later: int
    later_from: datetime | None
    later_until: datetime | None
    never: int
    unknown: int
    codes: Mapping[str, tuple[int, Retry]]

    @property
    def total(self) -> int:
        """How many recipients the wave would have."""
        return self.now + self.later


def retry_of(reason: str) -> Retry:
    """Returns when a message that failed for a reason can succeed. `reason`: Meta's code, a word, or empty."""
    if reason == NOT_DELIVERED or not reason:
        return "now"
    if reason in _PERSON_OUT_OF_REACH or not reason.isdigit():
        return "never"
    error = status_error(int(reason))
    if error.kind == "later":
        return "later"
    return "never" if error.help in _SAME_REFUSAL else "now"


def codes_to_retry(failed: Iterable[str], named: Collection[str] | None) -> list[str]:
    """Returns the reasons with which recipients are tried again, of those that there are: the named ones; None: all
    that can succeed."""
    if named is None:
        return sorted(code for code in set(failed) if retry_of(code) != "never")
    return sorted(code for code in set(failed) if (code or NO_CODE) in named)


def retry_preview(
    counts: Iterable[StateCount],
    waiting: Mapping[str, int],
    later_from: datetime | None,
    later_until: datetime | None,
    named: Collection[str] | None = None,
) -> RetryPreview:
    """Returns what another wave could do. `waiting`: reason -> recipients who can only succeed later."""
    failed: dict[str, int] = {}
    unknown = 0
    for count in counts:
        if count.state == "failed":
            failed[count.reason] = failed.get(count.reason, 0) + count.n
        elif count.state == "unknown":
            unknown += count.n
    chosen = set(codes_to_retry(failed, named))
    later = sum(n for code, n in waiting.items() if code in chosen)
    tried = sum(n for code, n in failed.items() if code in chosen)
    return RetryPreview(
        now=max(0, tried - later),
        later=later,
        later_from=later_from if later else None,
        later_until=later_until if later else None,
        never=sum(failed.values()) - tried,
        unknown=unknown,
        codes={code: (n, retry_of(code)) for code, n in sorted(failed.items())},
    )
