"""An Authlib authorization server under Flask and waitress: one client in memory, JWT access tokens of RFC 9068.

ALG: what it signs with. Prints one line once it listens: see `Subject::start_peer` in benches/token/subject.rs.
"""

import hmac
import json
import logging
import os
import signal
import socket
import time
import uuid

import waitress
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from flask import Flask
from joserfc import jwk, jwt

ALG = os.environ.get("ALG", "EdDSA")
KEY = {
    "EdDSA": lambda: jwk.OKPKey.generate_key("Ed25519"),
    "ES256": lambda: jwk.ECKey.generate_key("P-256"),
    "RS256": lambda: jwk.RSAKey.generate_key(2048),
}[ALG]()
CLIENT_ID, CLIENT_SECRET = "c" * 32, "s" * 55


class Client(ClientMixin):
    def get_client_id(self):
        return CLIENT_ID

    def get_allowed_scope(self, scope):
        return scope if scope == "write" else ""

    def check_client_secret(self, secret):
        return hmac.compare_digest(secret, CLIENT_SECRET)

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_post"

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"


class Grant(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_post"]


def token(grant_type, client, user=None, scope=None, expires_in=None, include_refresh_token=False):
    now = int(time.time())
    claims = {
        "iss": "http://127.0.0.1/",
        "sub": CLIENT_ID,
        "aud": "myrestapi",
        "client_id": CLIENT_ID,
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "jti": uuid.uuid4().hex,
        "scope": scope,
    }
    signed = jwt.encode({"alg": ALG, "typ": "at+jwt", "kid": "k"}, claims, KEY, algorithms=[ALG])
    return {"access_token": signed, "token_type": "Bearer", "expires_in": 3600, "scope": scope}


os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
app = Flask(__name__)
server = AuthorizationServer(
    app, query_client=lambda client_id: Client() if client_id == CLIENT_ID else None, save_token=lambda *_: None
)
server.register_token_generator("default", token)
server.register_grant(Grant)
app.add_url_rule("/token", view_func=server.create_token_response, methods=["POST"])

logging.getLogger("waitress").setLevel(logging.ERROR)
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
form = {
    "grant_type": "client_credentials",
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "scope": "write",
}
print(json.dumps({"port": listener.getsockname()[1], "path": "/token", "form": form}), flush=True)
waitress.serve(app, sockets=[listener], threads=4)
