"""Owns what every suite shares: the scene that scene.py made, and how one check becomes one line."""

import base64
import json
import os
import sys
import warnings

import requests

# The libraries insist on https; the server under test is on loopback.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
# EdDSA is deprecated as a name (RFC 9864), and libraries say so.
warnings.simplefilter("ignore")

with open(os.environ["SCENE"], encoding="utf-8") as file:
    SCENE = json.load(file)
ISSUER = SCENE["issuer"]
ALGS = SCENE["algs"]


def check(name, body):
    """Runs `body`; it fails by raising."""
    try:
        body()
    except Exception as error:  # whatever a library raises is the result
        line(f"FAIL  {name}: {type(error).__name__}: {error}")
    else:
        line(f"ok    {name}")


def skip(name, why):
    line(f"skip  {name}: {why}")


def line(text):
    print(" ".join(text.split("\n"))[:1000])
    sys.stdout.flush()


def equal(found, expected):
    if found != expected:
        raise AssertionError(f"{found!r} is not {expected!r}")


def raises(expected, body):
    """The error that `body` raises, which must be one of `expected`."""
    try:
        result = body()
    except expected as error:
        return error
    raise AssertionError(f"taken: {result!r}")


def parts(token):
    """Header and claims of a token, unchecked."""
    return tuple(json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])


def good_token(app_id):
    form = {"grant_type": "client_credentials", "audience": app_id, "scope": "read write"}
    client = SCENE["client"]
    answer = requests.post(SCENE["tokenEndpoint"], data=form, auth=(client["id"], client["secret"]), timeout=10)
    answer.raise_for_status()
    return answer.json()["access_token"]
