"""Rejections: requests that are answered with an error before the application sees them."""

from infra.serving.problem import MEDIA_TYPE, RETRY_AFTER_SECONDS, problem_json
from infra.serving.response import Response


class Rejected(Exception):
    """A request is not passed to the application. `reason`: for metrics; `detail`: for the sender."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.status, self.reason, self.detail = status, reason, detail

    def response(self) -> Response:
        """Returns the answer, a problem document."""
        headers = [("Content-Type", MEDIA_TYPE)]
        if self.status == 503:
            headers.append(("Retry-After", str(RETRY_AFTER_SECONDS)))
        return Response(self.status, headers, problem_json(self.status, self.detail))


def malformed(detail: str) -> Rejected:
    """Returns the rejection of bytes that are not a valid request."""
    return Rejected(400, "malformed", detail)


def busy() -> Rejected:
    """Returns the rejection of a request for which there is no room."""
    return Rejected(503, "busy", "Too many requests at a time; send it again.")


def late() -> Rejected:
    """Returns the rejection of a request that could not be answered in time."""
    return Rejected(503, "late", "Not finished in time; send it again.")
