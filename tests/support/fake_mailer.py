"""A `domain.mail.Mailer` in memory."""

from uuid import UUID

from domain.mail import Accepted, AttemptOutcome


class FakeMailer:
    """Stores the ids of posted mails in `posts`, and the accepted mails in `accepted`. `answers`: the outcomes of the
    next posts, in order; later posts are accepted."""

    def __init__(self, *answers: AttemptOutcome) -> None:
        self.posts: list[UUID] = []
        self.accepted: list[tuple[UUID, bytes]] = []
        self.answers = list(answers)

    def post(self, mail: UUID, letter: bytes) -> AttemptOutcome:
        """See the port."""
        self.posts.append(mail)
        outcome = self.answers.pop(0) if self.answers else Accepted(f"message-{len(self.posts)}")
        if isinstance(outcome, Accepted):
            self.accepted.append((mail, letter))
        return outcome
