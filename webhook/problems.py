"""Error responses as problem documents (RFC 9457), without tracebacks and without any part of the request."""

import structlog
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from infra.serving.problem import MEDIA_TYPE, problem_json

log = structlog.get_logger()


def answer_with_problems(app: Flask) -> None:
    """Makes the application answer every error with a problem document."""

    def rejected(error: HTTPException) -> Response:
        response = Response(status=error.code)
        response.headers = type(response.headers)(error.get_headers())  # Retry-After, Allow
        response.content_type = MEDIA_TYPE
        response.data = problem_json(error.code or 500, error.description or "")
        return response

    def failed(error: Exception) -> Response:  # a programming error: logged with type and location, never with its text
        log.error("webhook.failed", error=type(error).__name__, at=_location(error))
        return Response(problem_json(500, "An internal error occurred."), 500, content_type=MEDIA_TYPE)

    app.register_error_handler(HTTPException, rejected)
    app.register_error_handler(Exception, failed)


def _location(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
