"""Makes requests interesting: a client that authenticates once, bytes where a module is uploaded."""

import schemathesis
from hypothesis import strategies as st

MODULE = b"\x00asm\x0d\x00\x01\x00"

# The magic and the version of a component, then anything: past the first look, and into the parser.
schemathesis.openapi.media_type("application/wasm", st.binary(max_size=200).map(lambda rest: MODULE + rest) | st.binary())


@schemathesis.serializer("application/wasm")
def as_it_is(ctx, value):
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else bytes(value)


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """Most forms come from the client of the Authorization header, which exists: strangers never come past the door."""
    if case.path.startswith("/oauth2/") and isinstance(case.body, dict) and len(str(case.body)) % 4:
        case.body.pop("client_secret", None)
        case.body.pop("client_id", None)
