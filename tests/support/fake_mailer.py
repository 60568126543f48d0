"""A `domain.mail.Mailer` in memory."""

from uuid import UUID

from domain.attempts import Accepted, AttemptOutcome


class FakeMailer:
    """Keeps what was posted in `posts`, and what of it was accepted in `accepted`. `answers`: how the next posts end,
    in order; then all are accepted."""

    def __init__(self, *answers: AttemptOutcome) -> None:
        self.posts: list[UUID] = []
        self.accepted: list[tuple[UUID, bytes]] = []
        self.answers = list(answers)

    def post(self, mail: UUID, letter: bytes) -> AttemptOutcome:
        """See the port."""
        self.posts.append(mail)
        how = self.answers.pop(0) if self.answers else Accepted(f"message-{len(self.posts)}")
        if isinstance(how, Accepted):
            self.accepted.append((mail, letter))
        return how
