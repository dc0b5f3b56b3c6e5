"""Owns the process under test: how it is started, asked and ended. Knows nothing of what is right or wrong."""

import http.client
import json
import os
import signal
import subprocess
import time
from urllib.parse import urlencode

# What is proved is that writes are kept, not how fast: a slow machine has its time.
START_SECONDS = 120
ANSWER_SECONDS = 120


class Gone(Exception):
    """The server went away under a request: what became of it was not said."""


class Died(Exception):
    """The server ended by itself."""


class Server:
    def __init__(self, program, directory):
        self.program, self.directory = program, directory
        self.process = self.ready = None
        # Whether it was told to end: from then on it may go away under any request.
        self.is_ending = False
        # Settings of whoever runs this must not reach grantd.
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("GRANTD_")}

    def spawn(self, environment=None):
        command = [self.program, "dev", "--database", "grantd.db", "--listen", "127.0.0.1:0", "--ready-file", "ready.json"]
        (self.directory / "ready.json").unlink(missing_ok=True)
        self.is_ending = False
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.directory, env={**self.environment, **(environment or {})}, stdout=log, stderr=log
            )

    def start(self, environment=None):
        self.spawn(environment)
        deadline = time.monotonic() + START_SECONDS
        while not (self.directory / "ready.json").exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"grantd did not start: {self.log_end()}")
            time.sleep(0.005)
        self.ready = json.loads((self.directory / "ready.json").read_text())

    def kill(self):
        """Ends what must have lived until now, or have stopped well once it was asked to."""
        ended, was_ending = self.process.poll(), self.is_ending
        self.discard()
        if ended is not None and not (was_ending and ended == 0):
            raise Died(f"grantd ended by itself, with {ended}: {self.log_end()}")

    def discard(self):
        """Ends it, whatever became of it."""
        self.is_ending = True
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def terminate(self):
        self.is_ending = True
        self.process.send_signal(signal.SIGTERM)

    def doctor(self):
        """grantd's own look at the database: SQLite's check of every page, and the audit chain from its start."""
        command = [self.program, "doctor", "--database", "grantd.db"]
        ended = subprocess.run(command, cwd=self.directory, env=self.environment, capture_output=True, text=True)
        if ended.returncode != 0:
            raise RuntimeError(f"doctor: {ended.stdout}{ended.stderr}")

    def log_end(self):
        return (self.directory / "log").read_text(errors="replace")[-2000:]

    def connect(self):
        return Connection(self.ready)


class Connection:
    """One keep-alive connection."""

    def __init__(self, ready):
        host, port = ready["listen"].rsplit(":", 1)
        self.http = http.client.HTTPConnection(host, int(port), timeout=ANSWER_SECONDS)
        self.bearer = f"Bearer {ready['api_token']}"

    def send(self, method, path, body, headers):
        try:
            self.http.request(method, path, body, headers)
            answer = self.http.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Gone from error
        return answer.status, json.loads(text) if text else None

    def admin(self, method, path, body=None, request_id=None):
        headers = {"Authorization": self.bearer}
        if request_id:
            headers["X-Request-Id"] = request_id
        return self.send(method, f"/api/v1{path}", body if body is None else json.dumps(body), headers)

    def token(self, client_id, secret, **form):
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, **form}
        return self.send("POST", "/oauth2/token", urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})

    def every(self, path, **query):
        """All items of a list, page by page."""
        items = []
        while True:
            page = urlencode({**query, "count": 1000, "startIndex": len(items) + 1})
            status, answer = self.admin("GET", f"{path}?{page}")
            if status != 200:
                raise RuntimeError(f"GET {path}: {status} {answer}")
            items += answer["Resources"]
            if len(items) >= answer["totalResults"] or not answer["Resources"]:
                return items
