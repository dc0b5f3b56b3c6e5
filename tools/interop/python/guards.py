"""Owns the resource servers: each guard takes a token, gives its claims or raises one of its `errors`.

Every guard reads the JWKS over HTTP, as it would in production."""

import threading

import flask
import jose.jwt
import joserfc.jwt
import jwt
import requests
from authlib.integrations.flask_oauth2 import ResourceProtector, current_token
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from werkzeug.serving import make_server

from checks import ISSUER, SCENE

JWKS_URI = SCENE["jwksUri"]


class Refused(Exception):
    """A resource server answered 401."""


def jwks():
    answer = requests.get(JWKS_URI, timeout=10)
    answer.raise_for_status()
    return answer.json()


def pyjwt(alg, audience):
    client = jwt.PyJWKClient(JWKS_URI)

    def guard(token):
        key = client.get_signing_key_from_jwt(token)
        required = ["iss", "aud", "exp", "iat", "sub", "jti", "client_id"]
        options = {"require": required}
        return jwt.decode(token, key, algorithms=[alg], audience=audience, issuer=ISSUER, options=options)

    guard.errors = (jwt.PyJWTError,)
    return guard


def joserfc_guard(alg, audience):
    keys = KeySet.import_key_set(jwks())
    values = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": audience}}
    registry = joserfc.jwt.JWTClaimsRegistry(**values, exp={"essential": True})

    def guard(token):
        decoded = joserfc.jwt.decode(token, keys, algorithms=[alg])
        registry.validate(decoded.claims)
        return decoded.claims

    guard.errors = (JoseError,)
    return guard


def python_jose_whole(alg, audience):
    """As its README shows it: the whole JWKS, in the order in which it came."""
    keys = jwks()

    def guard(token):
        return jose.jwt.decode(token, keys, algorithms=[alg], audience=audience, issuer=ISSUER)

    guard.errors = (jose.JOSEError,)
    return guard


def python_jose_by_kid(alg, audience):
    """As Auth0's and Okta's samples use it: the key is looked up by `kid` first."""
    keys = jwks()["keys"]

    def guard(token):
        kid = jose.jwt.get_unverified_header(token)["kid"]
        key = next(key for key in keys if key["kid"] == kid)
        return jose.jwt.decode(token, key, algorithms=[alg], audience=audience, issuer=ISSUER)

    guard.errors = (jose.JOSEError,)
    return guard


def flask_authlib(_alg, audience):
    """A Flask application on loopback behind authlib's RFC 9068 validator; the scope is checked too."""

    class Validator(JWTBearerTokenValidator):
        def get_jwks(self):
            return jwks()

    protect = ResourceProtector()
    protect.register_token_validator(Validator(issuer=ISSUER, resource_server=audience))
    app = flask.Flask("orders")
    app.add_url_rule("/", "orders", protect("write")(lambda: dict(current_token)))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def guard(token):
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.get(f"http://127.0.0.1:{server.port}/", headers=headers, timeout=10)
        if answer.status_code == 401:
            raise Refused(answer.text)
        answer.raise_for_status()
        return answer.json()

    guard.errors = (Refused,)
    return guard


# Name, guard, and the algorithms that the library cannot check, with why.
GUARDS = [
    ("PyJWT with PyJWKClient", pyjwt, {}),
    ("joserfc", joserfc_guard, {}),
    (
        "python-jose, whole JWKS",
        python_jose_whole,
        {
            "ES256": "it stops at the first key of another kind, and the RSA key, which most verifiers want, comes first",
            "EdDSA": "python-jose has no EdDSA",
        },
    ),
    ("python-jose, key by kid", python_jose_by_kid, {"EdDSA": "python-jose has no EdDSA"}),
    (
        "Flask with authlib's JWTBearerTokenValidator",
        flask_authlib,
        {"EdDSA": "the validator takes only algorithms that joserfc recommends, with no option to add one"},
    ),
]
