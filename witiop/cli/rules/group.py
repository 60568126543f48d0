"""`witiop rules`: the rescue rules, what they did, and the switch that stops them all (docs/design/rules.md)."""

from typing import TYPE_CHECKING, Any

import click

from witiop.cli.alarms.channels import issuer_option
from witiop.cli.rules.trying import try_rule
from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from domain.rescue.acts import RuleAct
    from infra.postgres.rules.listing import ListedAct
    from witiop.installation import Installation

_COUNTED_DAYS = 30
_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")


@click.group()
def rules() -> None:
    """What happens by itself to customers who are left alone."""


@rules.command("list")
@_json_option
@click.pass_obj
def list_(installation: "Installation", as_json: bool) -> None:
    """List the rules in their order, each as a sentence, with how often it acted in 30 days."""
    from datetime import timedelta

    from domain.contract.rule_texts import rule_sentence
    from infra.postgres import directory
    from infra.postgres.connections.pool import connect
    from infra.postgres.rules import listing, switch
    from witiop.cli.views.display import harmless, show, show_json, utc_minute

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        current = directory.read(connection)[1]
        stop = switch.stopped(connection)
        ids = [rule.id for rule in current.rules]
        counts = listing.act_counts(connection, ids, timedelta(days=_COUNTED_DAYS))
    if as_json:
        documents = [
            {
                "id": rule.id,
                "name": rule.name,
                "on": rule.on,
                "sentence": rule_sentence(rule, current),
                "acted_on_in_30_days": counts[rule.id].conversations,
            }
            for rule in current.rules
        ]
        show_json({"stopped_at": stop and stop.at.isoformat(), "stopped_by": stop and stop.by, "rows": documents})
        return
    if stop is not None:
        show([f"All rules have been stopped by {harmless(stop.by)} since {utc_minute(stop.at)} UTC."])
    for place, rule in enumerate(current.rules, 1):
        count = counts[rule.id]
        acted = f"{count.conversations:,}{'+' if count.is_more else ''} in {_COUNTED_DAYS} days"
        show([f"{place}. {harmless(rule.name)} ({rule.id}), {'on' if rule.on else 'off'}, {acted}"])
        show([f"   {harmless(rule_sentence(rule, current))}"])
    if not current.rules:
        show(["There are no rules: write them on the page Rules, or as [[rule]] in the directory file."])


@rules.command()
@click.option("--rule", metavar="ID", help="Of this rule only.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--after", metavar="CURSOR", help="The cursor that the page before returned.")
@_json_option
@click.pass_obj
def acts(installation: "Installation", rule: str | None, limit: int, after: str | None, as_json: bool) -> None:
    """List what rules did, the latest first. Names and phones of customers are not shown."""
    from domain.contract.rule_texts import act_words
    from infra.postgres import directory
    from infra.postgres.connections.pool import connect
    from infra.postgres.lists.cursor import START, Cursor, CursorError
    from infra.postgres.rules import listing
    from witiop.cli.views.display import harmless, show, show_json, utc_minute

    try:
        place = Cursor.parse(after) if after else START
    except CursorError as error:
        raise CommandFailed(str(error), "cursor_invalid") from None
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        current = directory.read(connection)[1]
        page = listing.act_page(connection, limit, place, rule)
    if as_json:
        show_json({"rows": [_document(each) for each in page.acts], "next": page.next and str(page.next)})
        return
    for each in page.acts:
        act = each.act
        show(
            [
                f"{utc_minute(act.at)}  {harmless(act.rule_name)}: {harmless(act_words(act, current))}  "
                f"{_standing(act)}  {act.conversation_id}"
            ]
        )
    if page.next is not None:
        show([f"more: --after {page.next}"])
    if not page.acts:
        show(["Rules have done nothing yet."])


def _standing(act: "RuleAct") -> str:
    return f"{act.state} ({act.rejection})" if act.rejection else act.state


def _document(each: "ListedAct") -> dict[str, Any]:
    from domain.times import rfc3339

    act = each.act
    return {
        "at": rfc3339(act.at),
        "rule": act.rule_id,
        "rule_name": act.rule_name,
        "conversation_id": str(act.conversation_id),
        "action": act.action,
        "detail": dict(act.detail),
        "state": act.state,
        "rejection": act.rejection,
        "command_id": act.command_id and str(act.command_id),
        "taken_at": each.taken and rfc3339(each.taken.at),
        "taken_by": each.taken and each.taken.by,
        "sent": each.sent,
    }


@rules.command()
@issuer_option
@click.pass_obj
def stop(installation: "Installation", issuer: str) -> None:
    """Stop all rules at once; an alarm says so until they act again."""
    from infra.postgres.connections.pool import connect
    from infra.postgres.rules import switch
    from witiop.cli.views.display import show

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        changed = switch.stop(connection, issuer)
    show(["All rules are stopped." if changed else "All rules were stopped already."])


@rules.command()
@issuer_option
@click.pass_obj
def start(installation: "Installation", issuer: str) -> None:
    """Let rules act again."""
    from infra.postgres.connections.pool import connect
    from infra.postgres.rules import switch
    from witiop.cli.views.display import show

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        changed = switch.start(connection, issuer)
    show(["Rules act again." if changed else "Rules were not stopped."])


rules.add_command(try_rule)
