"""Builds and runs the consumer processes: `conversations`, `commands` and `analytics`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from witiop.settings import Settings
from witiop.wiring.from_settings import (
    answer_terms,
    closing_traces,
    consumer_group,
    kafka_config,
    mail_policy,
    routing_policy,
    secret_bytes,
    sending_policy,
    topics,
)
from witiop.wiring.running import run_worker

if TYPE_CHECKING:
    from consumers.batches.batch_loop import Handler
    from consumers.batches.metrics import ConsumerMetrics
    from consumers.batches.parallel import ParallelLoops, StoppableLoop
    from consumers.workers.early_records import EarlyRecords


def run_conversations(settings: Settings) -> None:
    """Runs the consumer that folds every fact into its customer's conversations."""
    from consumers.handlers.conversations import Conversations

    names, policy, sending = topics(settings), routing_policy(settings), sending_policy(settings)
    answers = answer_terms(settings)
    with _early_records(settings) as early:
        topic_names = [names.inbound, names.unreadable]
        _consume(
            settings, "conversations", topic_names, lambda: Conversations(names, policy, sending, answers), [early]
        )


def run_commands(settings: Settings) -> None:
    """Runs the consumer that applies or rejects commands."""
    from consumers.handlers.campaigns import CampaignPolicy
    from consumers.handlers.commands import Commands

    names, secrets, policy = topics(settings), secret_bytes(settings.command_secrets), mail_policy(settings)
    routing, sending = routing_policy(settings), sending_policy(settings)
    campaigns = CampaignPolicy(settings.campaign_second_person_from)

    def handler() -> Commands:
        return Commands(names, secrets, routing, policy, sending, campaigns)

    _consume(settings, "commands", [names.commands], handler)


def run_analytics(settings: Settings) -> None:
    """Runs the consumer that counts our own public events, and beside it what reports the rates of the last day,
    what fills the words for searches, and what counts the hours of agents."""
    from consumers.analytics.handler import Analytics
    from consumers.analytics.hours import AgentHoursLook
    from consumers.analytics.rates import AnalyticsRates
    from consumers.workers.words import MessageWords
    from infra.postgres.connections.session import DatabaseSession

    dsn = settings.postgres_dsn.get_secret_value()
    with (
        closing(DatabaseSession(dsn, "analytics")) as session,
        closing(DatabaseSession(dsn, "words")) as words_session,
        closing(DatabaseSession(dsn, "hours")) as hours_session,
    ):
        beside: list[StoppableLoop] = [
            AnalyticsRates(session.transaction),
            MessageWords(words_session.transaction),
            AgentHoursLook(hours_session.transaction, timedelta(seconds=settings.presence_timeout_seconds)),
        ]
        _consume(settings, "analytics", [topics(settings).conversations], Analytics, beside)


@contextmanager
def _early_records(settings: Settings) -> Iterator["EarlyRecords"]:
    """Yields the loop for records that came before their conversations."""
    from consumers.batches.poison import PoisonPolicy
    from consumers.handlers.conversations import Conversations
    from consumers.workers.early_records import EarlyRecords
    from infra.kafka.backlog import Backlog
    from infra.postgres.connections.session import DatabaseSession

    names, poison = topics(settings), PoisonPolicy(settings.poison_per_minute)
    handler = Conversations(names, routing_policy(settings), answers=answer_terms(settings))
    with (
        closing(DatabaseSession(settings.postgres_dsn.get_secret_value(), "conversations")) as session,
        closing(Backlog(kafka_config(settings), names.inbound)) as backlog,
    ):
        stalled = settings.stalled_inbound_seconds
        yield EarlyRecords(session.transaction, names, handler, poison, stalled, backlog)


def _consume(
    settings: Settings,
    name: str,
    topic_names: Sequence[str],
    handler: Callable[[], "Handler"],
    beside: Sequence["StoppableLoop"] = (),
) -> None:
    """Runs this process's share of a consumer group, and other loops beside it."""
    from consumers.batches.metrics import ConsumerMetrics

    group = consumer_group(settings, name)
    with parallel_loops(
        settings, name, group, topic_names, handler, lambda: ConsumerMetrics(group), beside
    ) as consumer:
        run_worker(settings, consumer.run, consumer.not_ready_reason)


@contextmanager
def parallel_loops(
    settings: Settings,
    name: str,
    group: str,
    topic_names: Sequence[str],
    handler: Callable[[], "Handler"],
    metrics: Callable[[], "ConsumerMetrics"],
    beside: Sequence["StoppableLoop"] = (),
) -> Iterator["ParallelLoops"]:
    """Yields one batch loop per consumer thread, each with connections of its own, and the loops `beside` them. Closes
    the connections at the end."""
    from consumers.batches.batch_loop import BatchLoop
    from consumers.batches.parallel import ParallelLoops
    from consumers.batches.poison import PoisonPolicy
    from consumers.batches.starting import partition_of
    from infra.kafka.consumer import GroupReader
    from infra.postgres.connections.session import DatabaseSession

    instance, poison = settings.consumer_instance, PoisonPolicy(settings.poison_per_minute, origin=partition_of)
    with ExitStack() as resources:
        traces = resources.enter_context(closing_traces(settings, name))
        loops: list[StoppableLoop] = [*beside]
        for index in range(settings.consumer_threads):
            session = DatabaseSession(settings.postgres_dsn.get_secret_value(), name)
            resources.enter_context(closing(session))
            reader = GroupReader(
                kafka_config(settings).client_options(), group, topic_names, instance and f"{instance}.{index}"
            )
            loops.append(BatchLoop(reader, session.transaction, group, handler(), metrics(), poison, traces=traces))
        yield ParallelLoops(loops)
