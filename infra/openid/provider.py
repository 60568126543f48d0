"""An OpenID provider, as a client sees it: discovery, the code flow with PKCE, and the checks of an id token (OpenID
Connect Core 1.0 and Discovery 1.0, RFC 7636)."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode, urlsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from infra.openid.roles import Role

LEEWAY = timedelta(minutes=2)
"""How far the provider's clock may be off."""
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""Signatures by a key that only the provider has. Without `none`, and without those by the client's secret."""
_TIMEOUT = (3.05, 10)
"""Seconds to connect, and between two bytes of an answer."""
_KNOWN_SECONDS = 3600.0
"""How long the provider's addresses and keys are remembered."""

ProviderTrouble = Literal["unreachable", "rejected", "invalid"]


class ProviderFailed(Exception):
    """A sign-in at the provider failed. `trouble`: `unreachable`: it gave no usable answer, also about itself;
    `rejected`: it accepted the code or this client not; `invalid`: its id token is not for this sign-in. `cause`: the
    name of the error, without anything secret."""

    def __init__(self, trouble: ProviderTrouble, cause: str) -> None:
        super().__init__(trouble, cause)
        self.trouble, self.cause = trouble, cause


@dataclass(frozen=True, slots=True)
class OpenIdTerms:
    """What the installation knows about its provider. `console_url`: where browsers reach the console, without a slash
    at its end; `roles`, `role_claim`: which level a person gets (`infra.openid.roles`), empty: that of their sign-in
    here; `name_claim`: the name of a new sign-in; `label`: what people call the provider."""

    issuer: str
    client_id: str
    console_url: str
    client_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    roles: tuple[Role, ...] = ()
    role_claim: str = "groups"
    name_claim: str = "preferred_username"
    label: str = ""

    @property
    def return_url(self) -> str:
        """Where the provider sends people back to."""
        return f"{self.console_url}/sign-in/provider/return"

    @property
    def origin(self) -> str:
        """The provider's origin, as a content security policy names it."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"


class SignedInPerson(NamedTuple):
    """A person whom the provider vouches for. `subject`: identifies them for ever; `claims`: of the id token, with
    those of the provider's userinfo; `id_token`: to be shown to the provider when they sign out."""

    subject: str
    claims: Mapping[str, Any]
    id_token: str


class _Known(NamedTuple):
    metadata: Mapping[str, Any]
    keys: KeySet
    at: float


class OpenIdProvider:
    """The provider of an installation. Remembers its addresses and keys for an hour. Thread-safe; nothing is fetched
    before the first sign-in. Methods that ask the provider block for some seconds at most, and raise ProviderFailed."""

    def __init__(self, terms: OpenIdTerms, keys_again_seconds: float = 30.0) -> None:
        """`keys_again_seconds`: the shortest time between two looks for the key of a token whose key is unknown."""
        self.terms = terms
        self._keys_again_seconds = keys_again_seconds
        self._lock = threading.Lock()
        self._known: _Known | None = None
        self._keys_at = float("-inf")

    def sign_in_url(self, state: str, nonce: str, verifier: str) -> str:
        """Returns the address at which a person signs in. `state`, `nonce`: secrets of this browser's sign-in;
        `verifier`: that of PKCE, 43 characters at least."""
        endpoint = self._endpoint("authorization_endpoint")
        with self._session() as session:
            url, _ = session.create_authorization_url(endpoint, state=state, nonce=nonce, code_verifier=verifier)
        return str(url)

    def person(self, code: str, nonce: str, verifier: str, now: datetime) -> SignedInPerson:
        """Returns the person for whom the provider gave this code."""
        endpoint = self._endpoint("token_endpoint")
        try:
            with self._session() as session:
                token = session.fetch_token(endpoint, code=code, code_verifier=verifier, timeout=_TIMEOUT)
        except requests.RequestException as error:
            raise ProviderFailed("unreachable", type(error).__name__) from None
        except (AuthlibBaseError, ValueError) as error:
            raise ProviderFailed("rejected", type(error).__name__) from None
        id_token, access_token = token.get("id_token"), token.get("access_token")
        if not isinstance(id_token, str):
            raise ProviderFailed("invalid", "no id token")
        claims = self._claims(id_token, access_token, nonce, now)
        more = self._userinfo(access_token, claims["sub"]) if isinstance(access_token, str) else {}
        return SignedInPerson(f"{claims['iss']} {claims['sub']}", {**more, **claims}, id_token)

    def sign_out_url(self, id_token: str) -> str | None:
        """Returns the address at which the person's session at the provider ends, which leads back to our sign-in page;
        None: the provider has none, or does not answer."""
        try:
            endpoint = self._found().metadata.get("end_session_endpoint")
        except ProviderFailed:
            return None
        if not isinstance(endpoint, str):
            return None
        back = f"{self.terms.console_url}/sign-in"
        query = {"id_token_hint": id_token, "client_id": self.terms.client_id, "post_logout_redirect_uri": back}
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    def _session(self) -> OAuth2Session:
        terms = self.terms
        return OAuth2Session(
            terms.client_id,
            terms.client_secret or None,
            token_endpoint_auth_method=self._auth_method(),
            scope=" ".join(terms.scopes),
            redirect_uri=terms.return_url,
            code_challenge_method="S256",
        )

    def _auth_method(self) -> str:
        if not self.terms.client_secret:
            return "none"
        known = self._found().metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return "client_secret_basic" if "client_secret_basic" in known else "client_secret_post"

    def _endpoint(self, name: str) -> str:
        endpoint = self._found().metadata.get(name)
        if not isinstance(endpoint, str):
            raise ProviderFailed("unreachable", f"no {name}")
        return endpoint

    def _found(self) -> _Known:
        with self._lock:
            known = self._known
            if known is None or monotonic() - known.at > _KNOWN_SECONDS:
                issuer = self.terms.issuer
                metadata = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                if metadata.get("issuer") != issuer:
                    raise ProviderFailed("unreachable", "another issuer")
                for name, value in metadata.items():
                    if name.endswith(("_endpoint", "jwks_uri")) and not _is_as_safe(str(value), issuer):
                        raise ProviderFailed("unreachable", f"{name} without https")
                self._known = known = _Known(metadata, self._fetched_keys(metadata), monotonic())
            return known

    def _fetched_keys(self, metadata: Mapping[str, Any]) -> KeySet:
        found = self._get(str(metadata.get("jwks_uri")))
        self._keys_at = monotonic()
        try:
            return KeySet.import_key_set(found)  # type: ignore[arg-type]  # checked there
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderFailed("unreachable", type(error).__name__) from None

    def _renewed_keys(self) -> KeySet:
        """The keys, fetched again if they were not just now: the provider may have changed them."""
        known = self._found()
        with self._lock:
            if monotonic() - self._keys_at > self._keys_again_seconds:
                known = known._replace(keys=self._fetched_keys(known.metadata))
                self._known = known
            return known.keys

    def _claims(self, id_token: str, access_token: object, nonce: str, now: datetime) -> Mapping[str, Any]:
        """The claims of an id token that is valid for this sign-in."""
        registry = JWSRegistry(algorithms=list(_ALGORITHMS), strict_check_header=False)
        try:
            try:
                token = jwt.decode(id_token, self._found().keys, registry=registry)
            except (InvalidKeyIdError, JoseError):
                token = jwt.decode(id_token, self._renewed_keys(), registry=registry)
            options = {
                "iss": {"essential": True, "value": self.terms.issuer},
                "aud": {"essential": True, "value": self.terms.client_id},
                "nonce": {"essential": True, "value": nonce},
            }
            parameters = {"nonce": nonce, "client_id": self.terms.client_id, "access_token": access_token}
            claims = CodeIDToken(token.claims, token.header, options, parameters)
            claims.validate(now=int(now.timestamp()), leeway=int(LEEWAY.total_seconds()))
        except (JoseError, AuthlibBaseError, ValueError, KeyError, TypeError) as error:
            raise ProviderFailed("invalid", type(error).__name__) from None
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise ProviderFailed("invalid", "no subject")
        return dict(claims)

    def _userinfo(self, access_token: str, subject: str) -> Mapping[str, Any]:
        """What the provider says of the person besides the id token; nothing if it says nothing usable."""
        endpoint = self._found().metadata.get("userinfo_endpoint")
        if not isinstance(endpoint, str):
            return {}
        try:
            found = self._get(endpoint, {"Authorization": f"Bearer {access_token}"})
        except ProviderFailed:
            return {}
        return found if found.get("sub") == subject else {}

    def _get(self, address: str, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        try:
            answer = requests.get(address, headers=dict(headers or {}), timeout=_TIMEOUT, allow_redirects=False)
            answer.raise_for_status()
            found = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise ProviderFailed("unreachable", type(error).__name__) from None
        if not isinstance(found, dict):
            raise ProviderFailed("unreachable", "no object")
        return found


def _is_as_safe(address: str, issuer: str) -> bool:
    return address.startswith("https://") or issuer.startswith("http://")
