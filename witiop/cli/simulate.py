"""`witiop simulate`: simulates customers, the Softbot, agents and Meta at the webhooks (interface.md)."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from witiop.cli.number_types import FiniteRange
from witiop.exit_codes import CommandFailed, NotReachable

if TYPE_CHECKING:  # drivers and clients are slow to import: `--help` does without
    from collections.abc import Sequence

    from infra.local.simulator.chat import TimedPost
    from infra.local.simulator.customer_files import Uploader
    from infra.local.simulator.webhooks import Webhooks
    from witiop.installation import Installation

_SECRETS = ("whatsapp_app_secrets", "softbot_secrets", "agents_secrets")
_LOAD_NUMBER = "550200000000001"


@click.group()
def simulate() -> None:
    """Simulate traffic at the webhooks.

    Plays customers, the Softbot, agents and Meta.
    """


@simulate.command()
@click.pass_obj
def story(installation: "Installation") -> None:
    """Play two days of an invented bike shop.

    The list then has a conversation for every reason. Adds the shop's numbers, skillsets and users to the directory.
    Running it again on the same day (UTC) adds nothing.
    """
    from infra.local.simulator.chat import play

    webhooks = _webhooks(installation)
    posts = _prepared(installation)
    play(posts, webhooks)
    updates = sum(timed.post.updates for timed in posts)
    click.echo(f"played the bike shop's story, {updates} updates; see the result with witiop unmanaged list")


@simulate.command()
@click.pass_obj
def shop(installation: "Installation") -> None:
    """Keep the bike shop open, with agents and customers.

    Until it is stopped: agents for whom nobody can sign in are ready, pause now and then, accept what they are offered
    on the shop's numbers (and decline some of it), write to the customer, and close. Customers write every now and
    then, with a photo and a voice message among them, and answer what they get.
    """
    from infra.local.graph.control import GraphControl
    from infra.local.simulator import bike_shop
    from witiop.cli.publishing import connected_publisher
    from witiop.cli.simulation.shop import OpenShop, sends_with
    from witiop.directory_file import read_directory
    from witiop.wiring import from_settings

    stack = installation.stack
    upload = _upload(installation)
    if stack is None or stack.graph_url is None or upload is None:
        raise CommandFailed("the shop needs the Graph stand-in of a stack: start witiop dev", "graph_unknown")
    settings = installation.settings("kafka_bootstrap_servers", "command_secrets", "postgres_dsn")
    topic = from_settings.topics(settings).commands
    secret = settings.command_secrets[0].get_secret_value().encode()
    with connected_publisher(settings, [topic]) as publisher:
        OpenShop(
            settings.postgres_dsn.get_secret_value(),
            read_directory(bike_shop.DIRECTORY_FILE),
            _webhooks(installation),
            GraphControl(stack.graph_url),
            upload,
            sends_with(publisher, topic, secret),
        ).run(click.echo)


@simulate.command()
@click.argument("out", metavar="OUT", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--template", "name", required=True, metavar="T", help="The template that is to be filled in.")
@click.option("--language", default="en", show_default=True, help="Its language, as Meta writes it.")
@click.pass_obj
def recipients(installation: "Installation", out: Path, name: str, language: str) -> None:
    """Write a workbook with the demo's customers and subscribers, for a campaign.

    It has the columns of the template's example file. Three rows at its end have a problem.
    """
    from infra.local.simulator.bike_shop import SHOP
    from infra.postgres.connections.pool import connect
    from infra.postgres.sending.library import StoredLibrary
    from infra.process.clock import utc_now
    from witiop.cli.campaigns.workbooks import write_rows
    from witiop.cli.simulation.recipients import columns_of, rows_for

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        template = StoredLibrary(connection).template(SHOP.phone_number_id, name, language)
    if template is None:
        raise CommandFailed(f"there is no template {name} in {language}", "template_unknown")
    now = utc_now()
    written = write_rows("recipients", columns_of(template), rows_for(template, now), now, out)
    click.echo(f"{out}: {written:,} rows")


@simulate.command()
@click.option("--rate", type=FiniteRange(0.1, 50_000), required=True, metavar="R", help="Updates per second.")
@click.option("--seconds", type=FiniteRange(0.1, 86_400), required=True, metavar="S", help="Duration.")
@click.option(
    "--customers", type=click.IntRange(1), default=500, show_default=True, metavar="N", help="Number of customers."
)
@click.option(
    "--batch", type=click.IntRange(1, 1000), default=1, show_default=True, metavar="B", help="Updates per request."
)
@click.option(
    "--statuses-per-message",
    type=click.IntRange(0, 4),
    default=3,
    show_default=True,
    metavar="K",
    help="Statuses of a business message for each customer message.",
)
@click.option(
    "--repeats", type=FiniteRange(0, 0.9), default=0.0, metavar="SHARE", help="Share of updates that are repeats."
)
@click.option(
    "--unreadable", type=FiniteRange(0, 1), default=0.0, metavar="SHARE", help="Share of messages without a type."
)
@click.option(
    "--number", default=_LOAD_NUMBER, show_default=True, metavar="ID", help="Phone number id of the recipient."
)
@click.option(
    "--retry",
    "retry_seconds",
    type=FiniteRange(0),
    default=0.0,
    metavar="SECONDS",
    help="Afterwards, retry requests that were not answered 200, for this long.",
)
@click.option(
    "--ledger",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write requests and answers as JSON Lines.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def load(
    installation: "Installation",
    rate: float,
    seconds: float,
    customers: int,
    batch: int,
    statuses_per_message: int,
    repeats: float,
    unreadable: float,
    number: str,
    retry_seconds: float,
    ledger: Path | None,
    as_json: bool,
) -> None:
    """Send updates at a steady rate.

    The rate does not depend on the answers, which are reported at the end.
    """
    from dataclasses import asdict

    from infra.local.simulator.bodies import BusinessNumber
    from infra.local.simulator.load import Ledger, Load, run
    from infra.local.simulator.traffic import Mix, Traffic
    from infra.process.clock import utc_now
    from witiop.cli.views.display import show_json

    webhooks = _webhooks(installation)
    mix = Mix(
        BusinessNumber(number, "+999 0000000000", "550200000000000"),
        customers,
        statuses_per_message,
        repeats,
        unreadable,
    )
    with ledger.open("w", encoding="utf-8") if ledger else nullcontext() as file:
        summary = run(
            Load(rate, seconds, batch, retry_seconds),
            Traffic(mix, utc_now(), rate),
            webhooks,
            Ledger(file) if file else None,
        )
    if summary.answers.keys() == {"unknown"} and summary.undelivered:
        raise NotReachable(f"no answer from {webhooks.url}: check that the stack is running")
    if as_json:
        show_json(asdict(summary))
        return
    answers = ", ".join(f"{answer}: {requests:,}" for answer, requests in sorted(summary.answers.items()))
    click.echo(f"sent      {summary.updates:,} updates in {summary.posts:,} requests, {summary.rate:,} updates/s")
    click.echo(f"answers   {answers}")
    click.echo(f"latency   p50 {summary.p50_ms} ms, p99 {summary.p99_ms} ms")
    if summary.not_sent:
        click.echo(f"not sent  {summary.not_sent:,} updates: this machine is too slow for this rate")
    if summary.undelivered:
        click.echo(f"failed    {summary.undelivered:,} requests were never answered 200")


class _FaultsInHelp(click.Command):
    """A command whose help lists the faults, also where no stand-in runs."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from infra.local.graph.faults import FAULTS

        with formatter.section("Faults"):
            formatter.write_dl([(_fault(name, kind.value), kind.effect) for name, kind in FAULTS.items()])


@simulate.command(cls=_FaultsInHelp)
@click.option("--fault", "faults", multiple=True, metavar="NAME[=VALUE][,CONDITION=N]...", help="Switch a fault on.")
@click.option("--off", multiple=True, metavar="NAME", help="Switch a fault off.")
@click.option("--clear", is_flag=True, help="Switch all faults off, before those of --fault are switched on.")
@click.option("--url", metavar="URL", help="Address of the stand-in  [default: graph_url of the stack].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def graph(
    installation: "Installation",
    faults: tuple[str, ...],
    off: tuple[str, ...],
    clear: bool,
    url: str | None,
    as_json: bool,
) -> None:
    """Switch faults of the stand-in for Meta's Graph API.

    Without options, prints the faults that are on and those that exist. Conditions: next=N, every=K, skip=N, to=PHONE,
    number=ID, template=NAME, after=SECONDS.
    """
    from http.client import HTTPException

    from infra.local.errors import LocalServerError
    from infra.local.graph.control import GraphControl
    from witiop.cli.views.display import show_json

    address = url or (installation.stack.graph_url if installation.stack else None)
    if address is None:
        raise CommandFailed("no Graph stand-in is known: start witiop dev, or name one with --url", "graph_unknown")
    control = GraphControl(address)
    try:
        state = control.change(*faults, off=off, clear=clear) if faults or off or clear else control.faults()
    except LocalServerError as error:
        raise CommandFailed(str(error), "fault_not_understood") from error
    except (OSError, HTTPException) as error:
        raise NotReachable(f"no answer from {address}: check that the stack is running") from error
    if as_json:
        show_json(state)
        return
    for rule in state["faults"]:
        click.echo(f"on   {rule['fault']}  ({rule['hits']:,} of {rule['seen']:,} posts)")
    if not state["faults"]:
        click.echo("no fault is on")
    if not (faults or off or clear):
        for kind in state["known"]:
            click.echo(f"     {_fault(kind['name'], kind['value'])}: {kind['effect']}")


def _fault(name: str, value: str) -> str:
    """Returns a fault as it is written. `value`: what its value must be."""
    return name if value == "no value" else f"{name}={value}"


def _prepared(installation: "Installation") -> "Sequence[TimedPost]":
    """Applies the story's directory and returns its requests, with the times of today's first run if there was one."""
    from dataclasses import replace

    from domain.inbound.whatsapp import reader
    from infra.local.simulator import bike_shop
    from infra.postgres import directory
    from infra.postgres.connections.pool import connect
    from infra.postgres.conversations.story import stored_at
    from infra.process.clock import utc_now
    from witiop.directory_file import read_directory

    now = utc_now()
    first, *_ = bike_shop.story_posts(now)
    (fact,) = reader.read(first.post.body, now).facts
    with connect(installation.postgres_dsn, "simulator", autocommit=True) as connection:
        first_sent_at = stored_at(connection, fact.id)
        if first_sent_at is not None:
            now += first_sent_at - fact.sent_at
        shop = bike_shop.closed_now(read_directory(bike_shop.DIRECTORY_FILE), now)
        _, current = directory.read(connection)
        merged = replace(
            current,
            numbers=current.numbers | shop.numbers,
            skillsets=current.skillsets | shop.skillsets,
            users=current.users | shop.users,
        )
        directory.apply(connection, merged)
    return bike_shop.story_posts(now, _upload(installation))


def _upload(installation: "Installation") -> "Uploader | None":
    """Returns how files are brought to the Graph stand-in of a stack; None: there is no stand-in."""
    from infra.graph.access import GraphAccess
    from witiop.cli.simulation.shop import uploads_to

    stack = installation.stack
    if stack is None or stack.graph_url is None or stack.graph_token is None:
        return None
    version = installation.settings().graph_version
    return uploads_to(GraphAccess(stack.graph_url, version, stack.graph_token, connections=1))


def _webhooks(installation: "Installation") -> "Webhooks":
    from infra.local.simulator.webhooks import Webhooks

    settings = installation.settings(*_SECRETS)
    return Webhooks(
        settings.webhook_url,
        {
            "whatsapp": settings.whatsapp_app_secrets[0].get_secret_value(),
            "softbot": settings.softbot_secrets[0].get_secret_value(),
            "agents": settings.agents_secrets[0].get_secret_value(),
        },
    )
