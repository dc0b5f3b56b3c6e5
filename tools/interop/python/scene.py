"""Owns what the suites find: accounts, clients, APIs and grants, made over the admin API, and the tokens that
every verifier must refuse. Those are real ones wherever grantd can be brought to issue them.

scene.py prepare READY PREPARED                make the resources of the server that READY tells of
scene.py tokens PREPARED READY TWIN SCENE      get the tokens, from it and from its twin, and write the scene
"""

import base64
import json
import sys
import time

import jwt
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

# What people choose as a secret: everything that HTTP Basic, forms and percent-encoding trip over.
AWKWARD_SECRET = "p@ss: w+rd %41/&=~*\"'x"
# Verifiers commonly forgive five seconds.
SHORT_SECONDS, FORGIVEN_SECONDS = 5, 6


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def save(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)


def prepare(ready):
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {ready['api_token']}"

    def make(kind, body):
        answer = session.post(f"{ready['admin_api']}/resources/cid/{kind}", json=body, timeout=10)
        if answer.status_code != 201:
            raise SystemExit(f"POST {kind} {body}: {answer.status_code} {answer.text}")
        return answer.json()

    account = make("ServiceAccount", {"userName": "interop", "displayName": "Interop", "active": True})["id"]
    generated = make("MachineToMachine", {"displayName": "generated secret", "serviceAccountId": account})
    awkward = {"displayName": "awkward secret", "serviceAccountId": account, "clientSecret": AWKWARD_SECRET}
    awkward = make("MachineToMachine", awkward)
    make("Grant", {"serviceAccountId": account, "apiId": "grantd", "scopes": ["read"]})

    def api(app_id, alg, **more):
        scopes = [{"identifier": name, "displayName": name, "default": name == "read"} for name in ("read", "write", "admin")]
        body = {"appId": app_id, "displayName": app_id, "signingAlg": alg, "scopes": scopes, **more}
        made = make("Api", body)["id"]
        return make("Grant", {"serviceAccountId": account, "apiId": made, "scopes": ["read", "write"]})["id"]

    algs = {}
    for alg in ("RS256", "ES256", "EdDSA"):
        name, audience = alg.lower(), f"https://orders.example/{alg.lower()}"
        grant = api(f"orders-{name}", alg, audience=audience)
        api(f"invoices-{name}", alg)
        algs[alg] = {"appId": f"orders-{name}", "audience": audience, "other": f"invoices-{name}", "grant": grant}
    client = {"id": generated["clientId"], "secret": generated["clientSecret"]}
    return {
        "account": account,
        "client": client,
        "awkwardClient": {"id": awkward["clientId"], "secret": AWKWARD_SECRET},
        "algs": algs,
    }


def end_grant(ready, grant, at):
    text = at and time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    body = {"Operations": [{"op": "replace", "path": "expiresAt", "value": text}]}
    headers = {"Authorization": f"Bearer {ready['api_token']}"}
    url = f"{ready['admin_api']}/resources/cid/Grant/{grant}"
    requests.patch(url, json=body, headers=headers, timeout=10).raise_for_status()


def token(ready, client, audience):
    form = {"grant_type": "client_credentials", "audience": audience, "scope": "read write"}
    answer = requests.post(ready["token_endpoint"], data=form, auth=(client["id"], client["secret"]), timeout=10)
    answer.raise_for_status()
    return answer.json()["access_token"]


def coded(value):
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=="))


def forged(good, alg, jwk):
    """What an attacker makes of a good token and the public key."""
    head, body, signature = good.split(".")
    header, claims = decoded(head), decoded(body)
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    public = jwt.PyJWK(jwk).key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    own = {
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
    }[alg]()
    more = {**claims, "scope": "read write admin", "scp": ["read", "write", "admin"]}
    later = {**claims, "exp": claims["exp"] + 86400}
    confused = f"{coded({**header, 'alg': 'HS256'})}.{body}"
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(confused.encode(), public)
    return {
        "more scopes": f"{head}.{coded(more)}.{signature}",
        "a later end": f"{head}.{coded(later)}.{signature}",
        "a changed signature": f"{head}.{body}.{signature[:middle]}{other}{signature[middle + 1 :]}",
        "no signature": f"{head}.{body}.",
        "alg none": f"{coded({**header, 'alg': 'none'})}.{body}.",
        "HS256 under the public key": f"{confused}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}",
        "a key of the attacker's": jwt.encode(claims, own, algorithm=alg, headers=header),
    }


def tokens(prepared, ready, twin):
    keys = requests.get(f"{ready['issuer']}.well-known/jwks.json", timeout=10).json()["keys"]
    client = prepared["client"]
    for alg, found in prepared["algs"].items():
        good = token(ready, client, found["appId"])
        kid = decoded(good.split(".")[0])["kid"]
        found["refused"] = {
            "another audience": token(ready, client, found["other"]),
            "another issuer": token(twin, client, found["appId"]),
            **forged(good, alg, next(key for key in keys if key["kid"] == kid)),
        }
        # No token outlives its grant: this one is good for a moment.
        end_grant(ready, found["grant"], time.time() + SHORT_SECONDS)
        found["expiring"] = token(ready, client, found["appId"])
        end_grant(ready, found["grant"], None)
    return {
        **prepared,
        "issuer": ready["issuer"],
        "tokenEndpoint": ready["token_endpoint"],
        "jwksUri": f"{ready['issuer']}.well-known/jwks.json",
        "adminApi": ready["admin_api"],
        "apiToken": ready["api_token"],
        "sample": {"id": ready["client_id"], "secret": ready["client_secret"], "api": ready["api"], "scope": ready["scopes"][0]},
        "expiredAt": time.time() + SHORT_SECONDS + FORGIVEN_SECONDS,
    }


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        save(sys.argv[3], prepare(load(sys.argv[2])))
    else:
        save(sys.argv[5], tokens(*map(load, sys.argv[2:5])))
