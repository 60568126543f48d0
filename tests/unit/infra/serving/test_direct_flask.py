"""The direct way of a DirectFlask answers as Flask does."""

import gc
from io import BytesIO
from weakref import ref

import pytest
from flask import Flask, Response, request
from werkzeug.exceptions import Conflict
from werkzeug.test import create_environ, run_wsgi_app

from infra.serving.direct_flask import DirectFlask
from webhook.problems import answer_with_problems


def _direct() -> Flask:
    return DirectFlask(__name__, lambda request, status: None)


def _with_views(app: Flask) -> Flask:
    app.config["MAX_CONTENT_LENGTH"] = 8

    @app.post("/empty")
    def empty() -> str:
        request.get_data()
        return ""

    @app.post("/text")
    def text() -> Response:
        return Response(request.get_data() + request.headers["X-Name"].encode(), 201, content_type="text/plain")

    @app.post("/conflict")
    def conflict() -> str:
        raise Conflict("There is one already.")

    @app.post("/broken")
    def broken() -> str:
        raise ZeroDivisionError

    @app.post("/of/<name>")
    def named(name: str) -> str:
        return name

    answer_with_problems(app)
    return app


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/empty", b"12345678"),
        ("POST", "/empty", b"more than 8 bytes"),
        ("POST", "/text", b"text"),
        ("POST", "/conflict", b""),
        ("POST", "/broken", b""),
        ("POST", "/of/somebody", b""),
        ("POST", "/unknown", b""),
        ("GET", "/empty", b""),
        ("OPTIONS", "/empty", b""),
    ],
)
def test_every_request_is_answered_as_by_flask(method: str, path: str, body: bytes) -> None:
    flask, direct = (
        _with_views(app).test_client().open(path, method=method, data=body, headers={"X-Name": "name"})
        for app in (Flask(__name__, static_folder=None), _direct())
    )

    assert (flask.status, flask.data, sorted(flask.headers)) == (direct.status, direct.data, sorted(direct.headers))


def test_each_request_is_reported_once_with_its_rule_and_status() -> None:
    answered: list[tuple[str | None, int]] = []
    app = DirectFlask(
        __name__,
        lambda request, status: answered.append((request.url_rule.rule if request.url_rule else None, status)),
    )
    client = _with_views(app).test_client()

    for path in ("/empty", "/conflict", "/of/somebody", "/unknown", "/empty"):
        client.post(path)

    assert [("/empty", 200), ("/conflict", 409), ("/of/<name>", 200), (None, 404), ("/empty", 200)] == answered


@pytest.mark.parametrize("path", ["/empty", "/text", "/conflict", "/broken"])
def test_a_body_is_freed_with_its_answer_and_not_by_the_garbage_collector(path: str) -> None:
    """It counts objects, not bytes: of large bodies, hundreds of megabytes would wait for it."""
    app = _with_views(_direct())
    body = BytesIO(b"text")
    environ = create_environ(path, method="POST", input_stream=body, headers={"X-Name": "name"})
    freed = ref(body)
    gc.disable()
    try:
        run_wsgi_app(app, environ)
        del body, environ
        assert freed() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("around", ["before_request", "after_request", "teardown_request", "teardown_appcontext"])
def test_functions_around_requests_would_not_run_and_are_an_error(around: str) -> None:
    app = _with_views(_direct())
    getattr(app, around)(lambda *_: None)

    with pytest.raises(RuntimeError, match="does not run functions"):
        app.test_client().post("/empty")
