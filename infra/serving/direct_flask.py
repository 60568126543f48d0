"""Flask with a direct way to the views that senders call thousands of times a minute (docs/decisions/0040)."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, Request, Response, request
from flask.ctx import RequestContext
from flask.globals import _cv_request
from flask.typing import ResponseReturnValue
from werkzeug.routing import Rule

Answered = Callable[[Request, int], None]
"""Gets each request with the status of its answer."""


class DirectFlask(Flask):
    """An application whose POSTs to paths without variables skip what its views do not use: URL matching, sessions, the
    application context, signals. The views have `flask.request` and nothing else of Flask; error handlers run as usual.
    All other requests go the usual way.

    Functions that run before or after requests are not supported: the first request raises RuntimeError."""

    def __init__(self, import_name: str, answered: Answered) -> None:
        """`answered` is called before each answer is sent."""
        super().__init__(import_name, static_folder=None)
        self._answered = answered

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """See Flask."""
        route = self._direct_routes.get(environ["PATH_INFO"]) if environ["REQUEST_METHOD"] == "POST" else None
        if route is None:
            return super().wsgi_app(environ, start_response)
        rule, view = route
        context = _DirectContext(self, environ, rule)
        token = _cv_request.set(context)
        try:
            response = self._response_of(view)
            self._answered(context.request, response.status_code)
            if response is self._empty:
                start_response(*self._empty_head)
                return ()
            return response(environ, start_response)
        finally:
            _cv_request.reset(token)

    def process_response(self, response: Response) -> Response:
        """See Flask. Is called for the usual way only."""
        response = super().process_response(response)
        self._answered(request, response.status_code)
        return response

    def _response_of(self, view: Callable[[], ResponseReturnValue]) -> Response:
        try:
            value = view()
        except Exception as error:  # the application's handlers know what it means
            value = self.handle_user_exception(error)
        # All empty answers share a response object: to make one costs more than to check a signature.
        return self._empty if value == "" else self.make_response(value)

    @cached_property
    def _direct_routes(self) -> dict[str, tuple[Rule, Callable[[], Any]]]:
        around: tuple[Any, ...] = (
            self.before_request_funcs,
            self.after_request_funcs,
            self.teardown_request_funcs,
            self.teardown_appcontext_funcs,
            self.url_value_preprocessors,
        )
        if any(around):
            raise RuntimeError("a DirectFlask does not run functions before or after requests")
        rules = [rule for rule in self.url_map.iter_rules() if "POST" in (rule.methods or ()) and not rule.arguments]
        return {rule.rule: (rule, self.view_functions[rule.endpoint]) for rule in rules}

    @cached_property
    def _empty(self) -> Response:
        return self.response_class(status=200)

    @cached_property
    def _empty_head(self) -> tuple[str, list[tuple[str, str]]]:
        return self._empty.status, list(self._empty.get_wsgi_headers({}))


class _DirectContext(RequestContext):
    """What `flask.request` needs."""

    def __init__(self, app: Flask, environ: WSGIEnvironment, rule: Rule) -> None:
        self.app = app
        # Not in `environ`, as Flask has it: with such a cycle, a body would live until the garbage collector runs.
        self.request = app.request_class(environ, populate_request=False)
        self.request.url_rule = rule
        self.request.max_content_length = app.config["MAX_CONTENT_LENGTH"]
