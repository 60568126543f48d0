"""The consumer processes: `conversations` and `commands`."""

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
    """The consumer that works every fact into its customer's conversation."""
    from consumers.handlers.conversations import Conversations

    names = topics(settings)
    _consume(settings, "conversations", [names.inbound, names.unreadable], lambda: Conversations(names))


def run_commands(settings: Settings) -> None:
    """The consumer that carries out what administrators ask for, or says why not."""
    from consumers.handlers.commands import Commands

    names, secrets, policy = topics(settings), secret_bytes(settings.command_secrets), mail_policy(settings)
    _consume(settings, "commands", [names.commands], lambda: Commands(names, secrets, routing_policy(settings), policy))


def _consume(settings: Settings, name: str, read: Sequence[str], handler: Callable[[], "Handler"]) -> None:
    """Run a consumer group's share in this process."""
    from consumers.batches.metrics import ConsumerMetrics

    group = f"{settings.kafka_topic_prefix}witiop.{name}"
    with parallel_loops(settings, name, group, read, handler, lambda: ConsumerMetrics(group)) as consumer:
        run_worker(settings, consumer.run, consumer.not_ready_reason)


@contextmanager
def parallel_loops(
    settings: Settings,
    name: str,
    group: str,
    read: Sequence[str],
    handler: Callable[[], "Handler"],
    metrics: Callable[[], "ConsumerMetrics"],
) -> Iterator["ParallelLoops"]:
    """As many loops of a group as a process has threads, each with what it is made of and connections of its own."""
    from consumers.batches.batch_loop import BatchLoop
    from consumers.batches.parallel import ParallelLoops
    from consumers.batches.poison import PoisonPolicy
    from infra.kafka.consumer import GroupReader
    from infra.postgres.connections.session import DatabaseSession

    instance, poison = settings.consumer_instance, PoisonPolicy(settings.poison_per_minute)
    with ExitStack() as open_to_the_end:
        loops = []
        for place in range(settings.consumer_threads):
            session = DatabaseSession(settings.postgres_dsn.get_secret_value(), name)
            open_to_the_end.enter_context(closing(session))
            reader = GroupReader(
                kafka_config(settings).client_options(), group, read, instance and f"{instance}.{place}"
            )
            loops.append(BatchLoop(reader, session.transaction, group, handler(), metrics(), poison))
        yield ParallelLoops(loops)
