"""Owns the checks of the wire itself, for clients of which there is no copy here: what RFC 6749, 7009, 7617, 8414,
8707 and 9110 let any client send, and what they let it expect."""

import httpx
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata

from checks import ALGS, ISSUER, SCENE, check, equal, parts

TOKEN = SCENE["tokenEndpoint"]
ORIGIN = ISSUER.removesuffix("/oauth2/")
CLIENT = SCENE["client"]
BASIC = (CLIENT["id"], CLIENT["secret"])
API = ALGS["ES256"]
FORM = {"grant_type": "client_credentials", "audience": API["appId"], "scope": "write"}
http = httpx.Client()


def granted(scope="write", **request):
    answer = http.post(TOKEN, **request)
    equal((answer.status_code, answer.json().get("scope")), (200, scope))
    return answer


def refused(status, error, **request):
    answer = http.post(TOKEN, **request)
    body = answer.json()
    equal((answer.status_code, body["error"]), (status, error))
    equal(answer.headers["cache-control"], "no-store")
    equal(set(body) - {"error", "error_description", "error_uri"}, set())
    assert all(" " <= c <= "~" and c not in '"\\' for c in body["error_description"]), body
    return answer


def answer_of_5_1():
    answer = granted(auth=BASIC, data=FORM)
    equal(answer.headers["content-type"].split(";")[0], "application/json")
    equal((answer.headers["cache-control"], answer.headers["pragma"]), ("no-store", "no-cache"))
    body = answer.json()
    assert isinstance(body["expires_in"], int), body
    header, claims = parts(body["access_token"])
    equal(header["typ"], "at+jwt")
    assert set(claims) >= {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"}, claims


def repeated():
    refused(400, "invalid_request", auth=BASIC, data={**FORM, "scope": ["read", "write"]})
    refused(400, "invalid_target", auth=BASIC, data={**FORM, "audience": [API["appId"], ALGS["RS256"]["appId"]]})


def challenged():
    challenge = refused(401, "invalid_client", auth=(CLIENT["id"], "gsec_wrong"), data=FORM).headers["www-authenticate"]
    assert challenge.startswith("Basic realm="), challenge
    refused(401, "invalid_client", data={**FORM, "client_id": CLIENT["id"], "client_secret": "gsec_wrong"})
    refused(401, "invalid_client", data=FORM)


def chunked():
    body = httpx.Request("POST", TOKEN, data=FORM).content
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    granted(auth=BASIC, content=iter([body[:7], body[7:]]), headers=headers)


def no_lists_without_members(path):
    document = http.get(f"{ORIGIN}{path}").raise_for_status().json()
    equal([name for name, value in document.items() if value == []], [])


def metadata(kind, path):
    document = http.get(f"{ORIGIN}{path}").raise_for_status().json()
    equal(document["issuer"], ISSUER)
    equal(document["token_endpoint"], TOKEN)
    kind(document).validate()


def head(url):
    answer = http.head(url)
    equal((answer.status_code, answer.headers["content-type"]), (200, "application/json"))


check("RFC 6749 5.1: the answer, its headers, the token's type and claims", answer_of_5_1)
check("RFC 6749 5.2: wrong secret by Basic, in the body, and none", challenged)
check("RFC 6749 5.2: a scope that is not granted", lambda: refused(400, "invalid_scope", auth=BASIC, data={**FORM, "scope": "admin"}))
check("RFC 6749 5.2: another grant type", lambda: refused(400, "unsupported_grant_type", auth=BASIC, data={**FORM, "grant_type": "password"}))
check("RFC 6749 3.2: a parameter sent twice", repeated)
check("RFC 6749 3.2: an unknown parameter is ignored", lambda: granted(auth=BASIC, data={**FORM, "prompt": "none"}))
check("RFC 6749 3.2: scope= is as if left out", lambda: granted("read", auth=BASIC, data={**FORM, "scope": ""}))
check("RFC 6749 3.2: resource= is as if left out", lambda: granted(auth=BASIC, data={**FORM, "resource": ""}))
check("RFC 6749 3.2: client_secret= beside Basic is as if left out", lambda: granted(auth=BASIC, data={**FORM, "client_secret": ""}))
check("RFC 6749 2.3: client_id in the body beside Basic", lambda: granted(auth=BASIC, data={**FORM, "client_id": CLIENT["id"]}))
check("RFC 6749 2.3: a secret in both places", lambda: refused(400, "invalid_request", auth=BASIC, data={**FORM, "client_secret": CLIENT["secret"]}))
check("RFC 8707: resource by URI", lambda: granted(auth=BASIC, data={"grant_type": "client_credentials", "resource": API["audience"], "scope": "write"}))
check("RFC 8707: an unknown resource", lambda: refused(400, "invalid_target", auth=BASIC, data={**FORM, "audience": "https://nobody.example/"}))
check("a body in chunks, with a charset", chunked)
check("RFC 8414 metadata, by authlib", lambda: metadata(AuthorizationServerMetadata, "/.well-known/oauth-authorization-server/oauth2"))
check("RFC 8414 3.2: no list without members", lambda: no_lists_without_members("/.well-known/oauth-authorization-server/oauth2"))
check("OpenID metadata, by authlib", lambda: metadata(OpenIDProviderMetadata, "/oauth2/.well-known/openid-configuration"))
check("RFC 9110 9.3.2: HEAD of the metadata", lambda: head(f"{ISSUER}.well-known/openid-configuration"))
check("RFC 9110 9.3.2: HEAD of the JWKS", lambda: head(SCENE["jwksUri"]))
