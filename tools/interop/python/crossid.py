"""Owns the checks of what Crossid's own samples do: the how-to's request, discovery at both addresses, and resource
servers that read `scp`, an issuer with its slash, `client_id`, and the API's id in `aud`."""

import time

import httpx
import jwt

from checks import ISSUER, SCENE, check, equal

ORIGIN = ISSUER.removesuffix("/oauth2/")
SAMPLE = SCENE["sample"]
http = httpx.Client()


def how_to():
    """curl -F grant_type=client_credentials -F client_id=... -F client_secret=... -F scope='write'"""
    form = {
        "grant_type": "client_credentials",
        "client_id": SAMPLE["id"],
        "client_secret": SAMPLE["secret"],
        "scope": SAMPLE["scope"],
    }
    answer = http.post(f"{ORIGIN}/oauth2/token", files={name: (None, value) for name, value in form.items()})
    answer.raise_for_status()
    return answer.json()


def how_to_answer():
    body = how_to()
    equal(set(body), {"access_token", "expires_in", "refresh_expires_in", "scope", "token_type"})
    equal((body["scope"], body["token_type"]), (SAMPLE["scope"], "bearer"))
    assert body["expires_in"] in (3599, 3600), body["expires_in"]


def discovery(path):
    answer = http.get(f"{ORIGIN}{path}")
    equal(answer.status_code, 200)
    document = answer.json()
    equal(document["issuer"], f"{ORIGIN}/oauth2/")
    # What the Python samples stop without; then the Ruby one.
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "end_session_endpoint", "jwks_uri"):
        assert document[name].startswith(ISSUER), (name, document.get(name))
    for name in ("response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported"):
        assert document[name], name
    return document


def jwks():
    keys = http.get(f"{ISSUER}.well-known/jwks.json").raise_for_status().json()["keys"]
    for key in keys:
        equal({"kid", "use", "alg", "kty"} - set(key), set())
        equal(key["use"], "sig")
        equal({"d", "p", "q"} & set(key), set())
    assert {key["kty"] for key in keys} <= {"RSA", "EC", "OKP"}
    equal(len({key["kid"] for key in keys}), len(keys))
    return keys


def rsa_first():
    """Verifiers that take the first key, or try the keys in order and stop at a kind they do not know."""
    first = jwks()[0]
    kid = jwt.get_unverified_header(how_to()["access_token"])["kid"]
    equal((first["kty"], first["kid"]), ("RSA", kid))


def scp_verifier(alg="RS256"):
    """The resource-server samples: a key by kid, `iss` with the slash, then `scp`, `client_id` and `aud`."""
    token = how_to()["access_token"]
    header = jwt.get_unverified_header(token)
    equal(header["alg"], alg)
    key = next(key for key in jwks() if key["kid"] == header["kid"])
    equal(key["alg"], alg)
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=[alg], issuer=f"{ORIGIN}/oauth2/", audience=SAMPLE["api"])
    equal(claims["scp"], [SAMPLE["scope"]])
    equal(claims["client_id"], SAMPLE["id"])
    equal(claims["aud"], SAMPLE["api"])
    equal(claims["exp"] - claims["iat"], 3600)
    assert claims["iat"] <= time.time()


def patched(alg):
    """The how-to's curl -d says form, the vendor's site says text: JSON is what is sent."""
    headers = {"Authorization": f"Bearer {SCENE['apiToken']}", "Content-Type": "application/x-www-form-urlencoded"}
    apis = http.get(f"{SCENE['adminApi']}/resources/cid/Api?count=100", headers=headers).json()["Resources"]
    api = next(api for api in apis if api["appId"] == SAMPLE["api"])
    body = '\n{"Operations":[{"op":"replace","path":"signingAlg","value":"%s"}]}' % alg
    http.patch(f"{SCENE['adminApi']}/resources/cid/Api/{api['id']}", content=body, headers=headers).raise_for_status()
    scp_verifier(alg)


check("the how-to's multipart request", how_to_answer)
check("discovery", lambda: discovery("/oauth2/.well-known/openid-configuration"))
check("discovery at default, the same", lambda: equal(
    discovery("/oauth2/default/.well-known/openid-configuration"), discovery("/oauth2/.well-known/openid-configuration")
))
check("every key has kid, use and alg, and nothing private", jwks)
check("the first key is the RSA key that signs", rsa_first)
check("a verifier of scp, iss with its slash, client_id and aud", scp_verifier)
for alg in ("ES256", "EdDSA", "RS256"):
    check(f"the same once PATCH has set signingAlg to {alg}", lambda: patched(alg))
