"""A real OpenID provider that runs on this machine, and a provider whose answers a test spoils."""

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey
from oidc_provider_mock import app
from werkzeug.serving import make_server

from infra.openid.provider import OpenIdProvider, OpenIdTerms
from infra.openid.roles import read_role

CLIENT = "witiop"
ROLES = ("bosses=tenant_administrator", "leads=supervisor:support", "eyes=read_only", "staff=directory")


class Provider:
    """A provider with people. `spoil`: makes other claims of those of an id token, or a whole token, and lets it be
    signed by `key`, while `published` is what the provider says its key is; `asked`: the parameters of each request for
    a token; `is_down`: it answers nothing."""

    def __init__(self) -> None:
        self.app = app(require_nonce=True)
        self.spoil: Callable[[dict[str, Any]], Mapping[str, Any] | str] | None = None
        self.key = RSAKey.generate_key(2048, auto_kid=True)
        self.published = self.key
        self.asked: list[dict[str, list[str]]] = []
        self.is_down = False
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def terms(self, **changed: Any) -> OpenIdTerms:
        made: dict[str, Any] = {
            "issuer": self.issuer,
            "client_id": CLIENT,
            "client_secret": "client secret",
            "console_url": "http://localhost",
            "roles": tuple(map(read_role, ROLES)),
            "label": "Zefiro accounts",
            **changed,
        }
        return OpenIdTerms(**made)

    def client(self, **changed: Any) -> OpenIdProvider:
        return OpenIdProvider(self.terms(**changed), keys_again_seconds=0)

    def has(self, called: str, *groups: str, sub: str | None = None, **claims: object) -> None:
        """Makes a person known, or changes their claims."""
        more = {"preferred_username": called, "groups": list(groups), **claims}
        found = {key: value for key, value in more.items() if value is not None}
        answer = httpx.put(f"{self.issuer}/users/{sub or called}", json=found)
        assert 204 == answer.status_code, answer.text

    def authorizes(self, address: str, person: str) -> str:
        """The person signs in at the address to which the console led; returns where the provider leads back to."""
        answer = httpx.post(address, data={"sub": person}, follow_redirects=False)
        assert 302 == answer.status_code, answer.text
        return answer.headers["location"]

    def denies(self, address: str) -> str:
        answer = httpx.post(address, data={"action": "deny"}, follow_redirects=False)
        assert 302 == answer.status_code, answer.text
        return answer.headers["location"]

    def _answer(self, environ: WSGIEnvironment, start: StartResponse) -> Any:
        path = environ["PATH_INFO"]
        if self.is_down:
            start("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"down"]
        if path == "/jwks" and self.spoil is not None:
            return self._json(start, {"keys": [self.published.as_dict(private=False)]})
        if path != "/oauth2/token":
            return self.app(environ, start)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        self.asked.append(parse_qs(body.decode()))
        environ["wsgi.input"] = io.BytesIO(body)
        status: list[Any] = []

        def note(*given: Any) -> Callable[[bytes], None]:
            status.extend(given)
            return lambda _: None

        content = b"".join(self.app(environ, note))
        if self.spoil is None or not str(status[0]).startswith("200"):
            start(status[0], status[1])
            return [content]
        answer = json.loads(content)
        claims = dict(_unverified(answer["id_token"]))
        spoiled = self.spoil(claims)
        answer["id_token"] = (
            spoiled
            if isinstance(spoiled, str)
            else jwt.encode({"alg": "RS256", "kid": self.key.kid}, dict(spoiled), self.key)
        )
        return self._json(start, answer)

    @staticmethod
    def _json(start: StartResponse, value: object) -> list[bytes]:
        content = json.dumps(value).encode()
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
        return [content]


def _unverified(token: str) -> Mapping[str, Any]:
    part = token.split(".")[1]
    claims: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


@contextmanager
def provider_running() -> Iterator[Provider]:
    provider = Provider()
    try:
        yield provider
    finally:
        provider.stop()


def path_of(address: str) -> str:
    """The path and query of an address."""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def with_parameter(address: str, **changed: str) -> str:
    """The address with other parameters."""
    parts = urlsplit(address)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | changed
    return f"{parts.path}?{urlencode(query)}"
