"""The protocol of senders: each intent gets at most one attempt (consumers/workers/attempt_loop.py)."""

from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

import psycopg
import pytest

from consumers.batches.poison import RetryBatch
from consumers.workers.attempt_loop import AttemptLoop
from domain.attempts import Accepted, AttemptOutcome, PermanentFailure, TransientFailure

OUTAGE = psycopg.OperationalError("unreachable")


@dataclass
class Letter:
    name: str
    claimed_at: float = field(default_factory=monotonic)


class Post:
    """A sender of letters that writes down its steps; `errors`: a step -> what it raises, one after the other."""

    def __init__(self, *due: str) -> None:
        self.due = list(due)
        self.steps: list[str] = []
        self.outcomes: list[AttemptOutcome] = []
        self.recorded: list[tuple[str, AttemptOutcome, timedelta]] = []
        self.errors: dict[str, list[Exception]] = {}
        self.claimed_at: float | None = None

    def settle_abandoned(self) -> None:
        self._step("settle")

    def claim(self) -> Letter | None:
        self._step("claim")
        if not self.due:
            return None
        letter = Letter(self.due.pop(0))
        if self.claimed_at is not None:
            letter.claimed_at = self.claimed_at
        return letter

    def attempt(self, claim: Letter) -> AttemptOutcome:
        self._step(f"attempt {claim.name}")
        return self.outcomes.pop(0) if self.outcomes else Accepted("id")

    def record(self, claim: Letter, outcome: AttemptOutcome, pause: timedelta) -> None:
        self._step(f"record {claim.name}")
        self.recorded.append((claim.name, outcome, pause))

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if self.errors.get(name):
            raise self.errors[name].pop(0)


def test_abandoned_attempts_are_settled_before_the_next_intent_is_committed_attempted_and_recorded() -> None:
    post = Post("a")
    assert 0.0 <= AttemptLoop(post, per_second=1000).poll() <= 0.001
    assert ["settle", "claim", "attempt a", "record a"] == post.steps
    assert [("a", Accepted("id"), timedelta())] == post.recorded


def test_a_sender_with_nothing_due_is_idle() -> None:
    post = Post()
    assert 0.5 == AttemptLoop(post, per_second=1000).poll()
    assert ["settle", "claim"] == post.steps


def test_an_outcome_that_the_database_did_not_take_is_recorded_later_and_nothing_is_attempted_before() -> None:
    post = Post("a", "b")
    post.errors = {"record a": [OUTAGE], "settle": []}
    loop = AttemptLoop(post, per_second=1000)
    with pytest.raises(psycopg.OperationalError):
        loop.poll()
    post.errors["settle"] = [OUTAGE]
    with pytest.raises(psycopg.OperationalError):
        loop.poll()
    loop.poll()
    assert ["settle", "claim", "attempt a", "record a", "settle", "settle", "record a"] == post.steps
    loop.poll()
    assert ["a", "b"] == [name for name, _, _ in post.recorded]


def test_a_lock_that_another_writer_holds_is_tried_again_at_once() -> None:
    post = Post("a")
    post.errors = {"record a": [RetryBatch()]}
    loop = AttemptLoop(post, per_second=1000)
    assert 0.0 == loop.poll()
    loop.poll()
    assert ["settle", "claim", "attempt a", "record a", "settle", "record a"] == post.steps


def test_an_attempt_that_would_begin_too_long_after_its_claim_is_not_made() -> None:
    post = Post("a")
    post.claimed_at = monotonic() - 6
    AttemptLoop(post, per_second=1000, attempt_within_seconds=5).poll()
    assert ["settle", "claim", "record a"] == post.steps
    assert [("a", TransientFailure("too late after its claim"))] == [each[:2] for each in post.recorded]


def test_a_throttled_sender_pauses_longer_and_longer_until_an_attempt_is_accepted() -> None:
    throttled, refused = TransientFailure("throttled"), PermanentFailure("invalid")
    post = Post(*"abcdefg")
    post.outcomes = [throttled, throttled, refused, throttled, Accepted("id"), throttled]
    loop = AttemptLoop(post, per_second=1000)
    waits = [loop.poll() for _ in range(6)]
    pauses = [pause.total_seconds() for _, _, pause in post.recorded]
    ceilings = [1, 2, 0, 4, 0, 1]
    assert all(0.75 * ceiling <= pause <= ceiling for pause, ceiling in zip(pauses, ceilings, strict=True))
    assert all(wait >= pause for wait, pause in zip(waits, pauses, strict=True))


def test_attempts_keep_the_rate() -> None:
    post = Post("a")
    assert 0.9 < AttemptLoop(post, per_second=1).poll() <= 1
