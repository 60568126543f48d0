"""Builds and runs the consumer processes: `conversations` and `commands`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from witiop.settings import Settings
from witiop.wiring.from_settings import kafka_config, mail_policy, routing_policy, secret_bytes, topics
from witiop.wiring.running import run_worker

if TYPE_CHECKING:
    from consumers.batches.batch_loop import Handler
    from consumers.batches.metrics import ConsumerMetrics
    from consumers.batches.parallel import ParallelLoops


def run_conversations(settings: Settings) -> None:
    """Runs the consumer that folds every fact into its customer's conversations."""
    from consumers.handlers.conversations import Conversations

    names = topics(settings)
    _consume(settings, "conversations", [names.inbound, names.unreadable], lambda: Conversations(names))


def run_commands(settings: Settings) -> None:
    """Runs the consumer that applies or rejects commands."""
    from consumers.handlers.commands import Commands

    names, secrets, policy = topics(settings), secret_bytes(settings.command_secrets), mail_policy(settings)
    _consume(settings, "commands", [names.commands], lambda: Commands(names, secrets, routing_policy(settings), policy))


def _consume(settings: Settings, name: str, topic_names: Sequence[str], handler: Callable[[], "Handler"]) -> None:
    """Runs this process's share of a consumer group."""
    from consumers.batches.metrics import ConsumerMetrics

    group = f"{settings.kafka_topic_prefix}witiop.{name}"
    with parallel_loops(settings, name, group, topic_names, handler, lambda: ConsumerMetrics(group)) as consumer:
        run_worker(settings, consumer.run, consumer.not_ready_reason)


@contextmanager
def parallel_loops(
    settings: Settings,
    name: str,
    group: str,
    topic_names: Sequence[str],
    handler: Callable[[], "Handler"],
    metrics: Callable[[], "ConsumerMetrics"],
) -> Iterator["ParallelLoops"]:
    """Yields one batch loop per consumer thread, each with connections of its own, and closes them at the end."""
    from consumers.batches.batch_loop import BatchLoop
    from consumers.batches.parallel import ParallelLoops
    from consumers.batches.poison import PoisonPolicy
    from infra.kafka.consumer import GroupReader
    from infra.postgres.connections.session import DatabaseSession

    instance, poison = settings.consumer_instance, PoisonPolicy(settings.poison_per_minute)
    with ExitStack() as resources:
        loops = []
        for index in range(settings.consumer_threads):
            session = DatabaseSession(settings.postgres_dsn.get_secret_value(), name)
            resources.enter_context(closing(session))
            reader = GroupReader(
                kafka_config(settings).client_options(), group, topic_names, instance and f"{instance}.{index}"
            )
            loops.append(BatchLoop(reader, session.transaction, group, handler(), metrics(), poison))
        yield ParallelLoops(loops)
