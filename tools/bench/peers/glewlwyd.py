"""Glewlwyd, an authorization server in C, as Debian packages it: its database is SQLite, and holds one client.

ALG: what it signs with. Prints one line once it listens: see `Subject::start_peer` in benches/token/subject.rs.

What it is told, it is told over its own API, as an administrator would; the process that is measured is Glewlwyd itself.
"""

import http.cookiejar
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request

ALG = os.environ.get("ALG", "EdDSA")
PORT = int(os.environ["PORT"])
SCHEMA = pathlib.Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
MODULES = pathlib.Path("/usr/lib/glewlwyd")
CLIENT_ID, CLIENT_SECRET = "c" * 32, "s" * 55
WAIT_SECONDS = 20


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def settings(folder, port):
    paths = {
        "user_module_path": "user", "user_middleware_module_path": "user_middleware",
        "client_module_path": "client", "user_auth_scheme_module_path": "scheme", "plugin_module_path": "plugin",
    }
    lines = [f'{name}="{MODULES / path}"' for name, path in paths.items()]
    return "\n".join([
        f"port={port}", 'bind_address="127.0.0.1"', f'external_url="http://127.0.0.1:{port}"', 'api_prefix="api"',
        'log_mode="file"', 'log_level="ERROR"', f'log_file="{folder}/log"', 'cookie_domain="127.0.0.1"',
        "cookie_secure=0", 'hash_algorithm="SHA512"', *lines,
        f'database = {{ type = "sqlite3" path = "{folder}/glewlwyd.db" }};', "",
    ])


def key():
    """A private key as a JWK Set."""
    from joserfc import jwk

    made = {
        "EdDSA": lambda: jwk.OKPKey.generate_key("Ed25519"),
        "ES256": lambda: jwk.ECKey.generate_key("P-256"),
        "RS256": lambda: jwk.RSAKey.generate_key(2048),
    }[ALG]()
    return json.dumps({"keys": [made.as_dict(private=True) | {"alg": ALG, "kid": "k", "use": "sig"}]})


def ask(opener, base, path, body):
    request = urllib.request.Request(base + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with opener.open(request) as answer:
        answer.read()


def fill(base):
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    ask(opener, base, "/api/auth/", {"username": "admin", "password": "password"})
    ask(opener, base, "/api/scope/", {"name": "write", "display_name": "Write", "password_required": False})
    ask(opener, base, "/api/mod/plugin/", {
        "module": "oidc", "name": "oidc", "display_name": "OIDC", "enabled": True, "parameters": {
            "iss": base, "jwks-show": True, "jwks-private": key(), "default-kid": "k",
            "jwt-type": "jwks", "access-token-duration": 3600, "refresh-token-duration": 3600, "code-duration": 600,
            "auth-type-client-enabled": True, "auth-type-token-enabled": False, "auth-type-code-enabled": False,
            "auth-type-id-token-enabled": False, "auth-type-password-enabled": False, "auth-type-refresh-enabled": False,
            "allow-non-oidc": True, "scope": [], "additional-parameters": [], "claims": [],
            "subject-type": "public", "address-claim": {"type": "no"}, "secret-type": "jwks",
        },
    })
    ask(opener, base, "/api/client/?source=database", {
        "client_id": CLIENT_ID, "name": "bench", "confidential": True, "enabled": True, "password": CLIENT_SECRET,
        "scope": ["write"], "authorization_type": ["client_credentials"], "redirect_uri": [],
        "token_endpoint_auth_method": ["client_secret_post"],
    })


def listens(port):
    for _ in range(WAIT_SECONDS * 100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.01)
    sys.exit("glewlwyd does not listen: see its log")


port = PORT or free_port()
# Beside this file; a second start on the same port finds what the first one made.
folder = pathlib.Path(__file__).resolve().parent / f"glewlwyd-{port}"
program = ["glewlwyd", "-c", str(folder / "glewlwyd.conf")]
if not PORT:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with sqlite3.connect(folder / "glewlwyd.db") as database:
        database.executescript(SCHEMA.read_text())
    (folder / "glewlwyd.conf").write_text(settings(folder, port))
    first = subprocess.Popen(program, stdout=sys.stderr)
    try:
        listens(port)
        fill(f"http://127.0.0.1:{port}")
    finally:
        first.terminate()
        first.wait()
form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "scope": "write"}
if os.fork() == 0:
    # Its own program does not say when it listens.
    listens(port)
    print(json.dumps({"port": port, "path": "/api/oidc/token", "form": form}), flush=True)
    os._exit(0)
os.dup2(2, 1)
os.execvp(program[0], program)
