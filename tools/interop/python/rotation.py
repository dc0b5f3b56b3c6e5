"""Owns the check that a rotation of keys goes unnoticed: a verifier that keeps its copy of the JWKS takes the tokens
of the new key, and the old tokens stay good."""

import requests

from checks import ALGS, SCENE, check, good_token, parts
from guards import joserfc_guard

ADMIN = {"Authorization": f"Bearer {SCENE['apiToken']}"}


def rotation(alg, api):
    guard = joserfc_guard(alg, api["audience"])
    before = good_token(api["appId"])
    guard(before)
    body = {"alg": alg, "force": True}
    requests.post(f"{SCENE['adminApi']}/keys/rotate", json=body, headers=ADMIN, timeout=10).raise_for_status()
    after = good_token(api["appId"])
    assert parts(before)[0]["kid"] != parts(after)[0]["kid"], "the key is still the old one"
    guard(after)
    guard(before)
    joserfc_guard(alg, api["audience"])(before)


for alg, api in ALGS.items():
    check(f"joserfc with the JWKS of before the rotation, {alg}", lambda: rotation(alg, api))
