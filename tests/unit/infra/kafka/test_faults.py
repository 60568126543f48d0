"""kafka-python's errors are classified by what they mean for a client (docs/decisions/0017)."""

from collections import Counter
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, errors
from kafka.errors import KafkaError

from infra.kafka.faults import GROUPS, KafkaFault, kafka_fault

LOADED = (KafkaAdminClient, KafkaConsumer, KafkaProducer)
"""Their modules define errors, too."""


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (errors.KafkaConnectionError, "transient"),
        (errors.KafkaTimeoutError, "transient"),
        (errors.NotLeaderForPartitionError, "transient"),
        (errors.FencedInstanceIdError, "client"),
        (errors.UnknownMemberIdError, "client"),
        (errors.IllegalGenerationError, "client"),
        (errors.GroupAuthorizationFailedError, "client"),
        (errors.SaslAuthenticationFailedError, "client"),
        (errors.MessageSizeTooLargeError, "data"),
        (errors.InvalidTopicError, "ours"),
    ],
)
def test_an_error_says_whether_the_client_can_be_used_further(error: type[KafkaError], meaning: KafkaFault) -> None:
    assert meaning == kafka_fault(error())


def kinds(kind: type[KafkaError] = KafkaError) -> Iterator[type[KafkaError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from kinds(each)


BASES = {errors.RetriableError, errors.AuthorizationError, errors.KafkaProtocolError}
"""An error that is derived from one of these means the same."""


def test_every_error_that_the_client_knows_is_classified_once() -> None:
    """A new version of kafka-python may bring new ones: somebody has to decide what they mean."""
    listed = Counter(kind for group in GROUPS.values() for kind in group)
    assert {1} == set(listed.values())
    every = set(kinds())
    assert listed.keys() <= every
    missing = [kind for kind in every if kind not in listed and not BASES & set(kind.__mro__)]
    assert [] == sorted(kind.__name__ for kind in missing)
