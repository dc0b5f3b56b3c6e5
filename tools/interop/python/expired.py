"""Owns the check that tokens end: one that was good when it was issued is refused after its lifetime."""

import time

from checks import ALGS, SCENE, check, raises, skip
from guards import GUARDS

time.sleep(max(0, SCENE["expiredAt"] - time.time()))
for alg, api in ALGS.items():
    for name, make_guard, cannot in GUARDS:
        if alg in cannot:
            skip(f"{name}, {alg}", cannot[alg])
            continue

        def refused():
            guard = make_guard(alg, api["audience"])
            error = raises(guard.errors, lambda: guard(api["expiring"]))
            # For its end, and for nothing else; HTTP answers do not say.
            assert "expired" in str(error).lower(), error

        check(f"{name}, {alg}: an expired token is refused", refused)
