"""Owns the checks of Python OAuth clients: each gets a token in each way it can authenticate, uses it, and
understands a refusal."""

import time

import httpx
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from oauthlib.oauth2 import BackendApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidClientError, InvalidScopeError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session as RequestsOAuth2Session

from checks import ALGS, SCENE, check, equal, parts, raises
from guards import pyjwt

TOKEN = SCENE["tokenEndpoint"]
WRONG = {"id": SCENE["client"]["id"], "secret": "gsec_wrong"}
# The admin API takes grantd's own tokens: a resource server that is there already.
PROTECTED = f"{SCENE['adminApi']}/resources/cid/Api"


def authlib(method, session=OAuth2Session):
    def fetch(client, audience, scope):
        oauth = session(client["id"], client["secret"], token_endpoint_auth_method=method, scope=scope)
        return oauth, oauth.fetch_token(TOKEN, grant_type="client_credentials", audience=audience)

    return fetch


def requests_oauthlib(**how):
    def fetch(client, audience, scope):
        oauth = RequestsOAuth2Session(client=BackendApplicationClient(client["id"], scope=scope))
        more = {name: value(client) for name, value in how.items()}
        return oauth, oauth.fetch_token(TOKEN, client_id=client["id"], audience=audience, **more)

    return fetch


def multipart(basic):
    def fetch(client, audience, scope):
        form = {"grant_type": "client_credentials", "audience": audience, "scope": scope}
        if not basic:
            form |= {"client_id": client["id"], "client_secret": client["secret"]}
        oauth = httpx.Client(auth=(client["id"], client["secret"]) if basic else None)
        answer = oauth.post(TOKEN, files={name: (None, value) for name, value in form.items()})
        answer.raise_for_status()
        token = answer.json()
        oauth.auth = None
        oauth.headers["Authorization"] = f"{token['token_type']} {token['access_token']}"
        return oauth, token

    return fetch


def basic_auth(client):
    return HTTPBasicAuth(client["id"], client["secret"])


CLIENTS = {
    "authlib client_secret_basic": authlib("client_secret_basic"),
    "authlib client_secret_post": authlib("client_secret_post"),
    "authlib on httpx client_secret_basic": authlib("client_secret_basic", OAuth2Client),
    "requests-oauthlib, Basic by default": requests_oauthlib(client_secret=lambda client: client["secret"]),
    "requests-oauthlib, Basic and client_id in the body": requests_oauthlib(
        auth=basic_auth, include_client_id=lambda _: True
    ),
    "requests-oauthlib, secret in the body": requests_oauthlib(
        client_secret=lambda client: client["secret"], include_client_id=lambda _: True
    ),
    "httpx multipart, secret in the body": multipart(basic=False),
    "httpx multipart, Basic": multipart(basic=True),
}


def gets(fetch, client, alg, api):
    _, token = fetch(client, api["appId"], "write")
    equal(token["token_type"].lower(), "bearer")
    equal(token["scope"] if isinstance(token["scope"], str) else " ".join(token["scope"]), "write")
    assert 3590 <= token["expires_in"] <= 3600, token["expires_in"]
    assert "refresh_token" not in token
    equal(parts(token["access_token"])[0]["alg"], alg)
    claims = pyjwt(alg, api["audience"])(token["access_token"])
    equal(claims["client_id"], client["id"])


def uses(fetch):
    oauth, _ = fetch(SCENE["client"], "grantd", "read")
    equal(oauth.get(PROTECTED).status_code, 200)
    equal(oauth.post(PROTECTED, json={}).status_code, 403)


for name, fetch in CLIENTS.items():
    for alg, api in ALGS.items():
        check(f"{name}, {alg}", lambda: gets(fetch, SCENE["client"], alg, api))
    check(f"{name}, awkward secret", lambda: gets(fetch, SCENE["awkwardClient"], "RS256", ALGS["RS256"]))
    check(f"{name}: the token opens an API, and no more than its scope", lambda: uses(fetch))


def renews():
    """It asks again with the scope alone, so that this works for clients of one API."""
    sample, stale = SCENE["sample"], {"access_token": "stale", "token_type": "bearer", "expires_at": time.time() - 1}
    oauth = OAuth2Session(
        sample["id"], sample["secret"], scope=sample["scope"], token=stale,
        token_endpoint=TOKEN, grant_type="client_credentials",
    )
    oauth.get(SCENE["jwksUri"])
    equal(parts(oauth.token["access_token"])[1]["aud"], sample["api"])


def authlib_error(client, scope, code):
    fetch = authlib("client_secret_basic")
    error = raises(OAuthError, lambda: fetch(client, ALGS["RS256"]["appId"], scope))
    equal(error.error, code)
    assert error.description, "no error_description"


def oauthlib_error(client, scope, expected):
    fetch = requests_oauthlib(client_secret=lambda client: client["secret"])
    assert raises(expected, lambda: fetch(client, ALGS["RS256"]["appId"], scope)).description


check("authlib renews an expired token by itself", renews)
check("authlib reads invalid_client", lambda: authlib_error(WRONG, "write", "invalid_client"))
check("authlib reads invalid_scope", lambda: authlib_error(SCENE["client"], "admin", "invalid_scope"))
check("requests-oauthlib reads invalid_client", lambda: oauthlib_error(WRONG, "write", InvalidClientError))
check("requests-oauthlib reads invalid_scope", lambda: oauthlib_error(SCENE["client"], "admin", InvalidScopeError))
