"""Owns the checks of Python resource servers: each takes a good token and refuses every bad one."""

from checks import ALGS, ISSUER, SCENE, check, equal, good_token, raises, skip
from guards import GUARDS


def takes(guard, token, audience):
    claims = guard(token)
    equal(claims["iss"], ISSUER)
    equal(claims["aud"], audience)
    equal(claims["sub"], SCENE["account"])
    equal(claims["client_id"], SCENE["client"]["id"])
    equal(claims["scope"], "read write")
    equal(claims["scp"], ["read", "write"])


for alg, api in ALGS.items():
    good = good_token(api["appId"])
    for name, make_guard, cannot in GUARDS:
        if alg in cannot:
            skip(f"{name}, {alg}", cannot[alg])
            continue
        guard = make_guard(alg, api["audience"])
        check(f"{name}, {alg}: a good token is taken", lambda: takes(guard, good, api["audience"]))
        for what, token in api["refused"].items():
            check(f"{name}, {alg}: {what} is refused", lambda: raises(guard.errors, lambda: guard(token)))
