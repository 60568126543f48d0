"""A `domain.mail.Mailer` in memory."""

from uuid import UUID

from domain.attempts import Accepted, AttemptOutcome


class FakeMailer:
    """Records the ids of all attempts in `posts`, and the accepted mail bodies in `accepted`. `answers`: the outcomes
    of the next attempts, in order; later attempts are accepted."""

    def __init__(self, *answers: AttemptOutcome) -> None:
        self.posts: list[UUID] = []
        self.accepted: list[tuple[UUID, bytes]] = []
        self.answers = list(answers)

    def post(self, mail: UUID, body: bytes) -> AttemptOutcome:
        """See the port."""
        self.posts.append(mail)
        outcome = self.answers.pop(0) if self.answers else Accepted(f"message-{len(self.posts)}")
        if isinstance(outcome, Accepted):
            self.accepted.append((mail, body))
        return outcome
