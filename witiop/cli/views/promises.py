"""Transfers on reply of many conversations as JSON and as lines: what they would come to, and what came of them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.text import Text

from domain.commands import Rejection
from domain.contract.texts import REJECTION_TEXTS
from infra.postgres.wish_plans import WishPlan


def plan_document(
    plan: WishPlan, *, more: bool, batch_id: str | None, results: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Returns the plan as JSON. Keys may be added, never removed. `more`: more match than were looked at; `batch_id`:
    of the commands; None: nothing was sent."""
    return {
        "able": [str(id_) for id_ in plan.able],
        "refused": [
            {"conversation_id": str(id_), "reason": refused.rejection.value, "detail": refused.detail}
            for id_, refused in plan.refused.items()
        ],
        "beyond_limit": plan.beyond_limit,
        "more": more,
        "batch_id": batch_id,
        "results": list(results),
    }


def plan_lines(plan: WishPlan, *, more: bool, results: Sequence[dict[str, Any]], is_dry_run: bool) -> list[Text | str]:
    """Returns the plan, or the results of its commands, as lines."""
    lines: list[Text | str] = [f"{len(plan.able)} would get the template" if is_dry_run else _outcomes(results)]
    if plan.beyond_limit:
        lines.append(f"{plan.beyond_limit} of them would wait: that is more people than Meta allows in 24 hours")
    refused = Counter(each.rejection for each in plan.refused.values())
    lines += [f"{n} would not: {REJECTION_TEXTS[reason]}" for reason, n in refused.most_common()]
    details = {each.detail for each in plan.refused.values() if each.rejection is Rejection.PARAMETERS_WRONG}
    lines += sorted(filter(None, details))
    if more:
        lines.append("more conversations match than were looked at")
    if is_dry_run and plan.able:
        lines.append("nothing was sent; --yes sends it")
    return lines


def _outcomes(results: Sequence[dict[str, Any]]) -> str:
    counts = Counter(each["outcome"] for each in results)
    return ", ".join(f"{n} {outcome}" for outcome, n in counts.most_common()) or "nothing was sent"
