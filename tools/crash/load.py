"""Owns the load: workers that write as administrators do, and remember what the server said to each write.

Every write carries a request id of its own, by which it is found again in the audit trail."""

import random
import threading
import time

from server import Gone

WORKERS = 6
WORKS_AGAIN_SECONDS = 120


class Failed(Exception):
    """The server answered what it must not."""


class Done:
    """What came of the writes of one round, by request id."""

    def __init__(self, name):
        self.name = name
        self.began = time.time()
        self.acknowledged = set()
        # Refused by 503: nothing may be kept of them, unless the disk broke its own word.
        self.refused = set()
        self.unanswered = set()
        self.may_come_back = False
        self.secrets = []


class Load:
    """Runs while the block runs; the server ends in the block, and not before it is told to."""

    def __init__(self, server, name, model, randomness, faults=False):
        self.server, self.faults = server, faults
        self.done = Done(name)
        self.failure = None
        self.works_since = threading.Event()
        accounts = [id for kind, id in model.current if kind == "ServiceAccount" and model.is_ours(kind, id)]
        apis = [id for kind, id in model.current if kind == "Api" and model.is_ours(kind, id)]
        self.workers = [
            Worker(self, number, random.Random(randomness.getrandbits(64)), accounts[number::WORKERS], apis[number::WORKERS])
            for number in range(WORKERS)
        ]

    def __enter__(self):
        for worker in self.workers:
            worker.start()
        return self

    def __exit__(self, failed, *_):
        if failed:
            # Workers go on for as long as the server does.
            self.server.discard()
        for worker in self.workers:
            worker.join()
            self.done.secrets += [(client_id, secret) for client_id, secret, _ in worker.secrets]
        if self.failure and not failed:
            raise self.failure

    def must_work_again(self):
        """The disk works: a write is taken again, without a restart."""
        connection, deadline = self.server.connect(), time.monotonic() + WORKS_AGAIN_SECONDS
        for attempt in range(10**6):
            request_id = f"{self.done.name}-probe-{attempt}"
            body = {"userName": f"{self.done.name}-probe-{attempt}"}
            try:
                status, answer = connection.admin("POST", "/resources/cid/ServiceAccount", body, request_id)
            except Gone as gone:
                raise Failed(f"the disk works again, and the server goes away: {gone.__cause__!r}") from gone
            if status == 201:
                self.done.acknowledged.add(request_id)
                return
            self.done.refused.add(request_id)
            if status != 503 or time.monotonic() > deadline:
                raise Failed(f"the disk works again, and the server answers {status} {answer}")
            time.sleep(0.01)


class Worker(threading.Thread):
    """Works on its own accounts and APIs: only the grants of earlier rounds may belong to two workers."""

    def __init__(self, load, number, randomness, accounts, apis):
        super().__init__(daemon=True)
        self.load, self.done, self.random = load, load.done, randomness
        self.name = f"{load.done.name}-{number}"
        self.accounts, self.apis, self.clients = accounts, [(api, ["read", "write"]) for api in apis], []
        # Those that must work: client id, secret, and the account that they go with.
        self.secrets = []
        self.writes = 0

    def run(self):
        steps = {
            self.make_account: 20, self.make_client: 15, self.make_api: 8, self.make_grant: 15, self.patch: 12,
            self.add_secret: 8, self.end_secret: 6, self.get_token: 12, self.delete: 14, self.rotate: 1, self.read: 3,
        }
        try:
            self.connection = self.load.server.connect()
            while True:
                self.random.choices(list(steps), list(steps.values()))[0]()
        except Gone as gone:
            if not self.load.server.is_ending:
                self.load.failure = Failed(f"the server went away before it was told to end: {gone.__cause__!r}")
        except Exception as failure:
            self.load.failure = failure if isinstance(failure, Failed) else Failed(f"{type(failure).__name__}: {failure}")

    def write(self, method, path, body=None):
        """The answer of a write that was acknowledged; nothing for one that was refused by a bad disk."""
        self.writes += 1
        request_id = f"{self.name}-{self.writes}"
        try:
            status, answer = self.connection.admin(method, path, body, request_id)
        except Gone:
            self.done.unanswered.add(request_id)
            raise
        if 200 <= status < 300:
            self.done.acknowledged.add(request_id)
            return answer or {}
        # While it stops it refuses what comes too late, whole.
        if status == 503:
            self.done.refused.add(request_id)
            time.sleep(0.002)
            return None
        raise Failed(f"{method} {path} {body}: {status} {answer}")

    def make_account(self):
        body = {"userName": f"{self.name}-a{self.writes}", "active": True, "attributes": {"filler": "x" * self.random.randrange(3000)}}
        if made := self.write("POST", "/resources/cid/ServiceAccount", body):
            self.accounts.append(made["id"])

    def make_client(self):
        if not self.accounts:
            return
        account = self.random.choice(self.accounts)
        body = {"displayName": f"{self.name}-c{self.writes}", "serviceAccountId": account}
        if made := self.write("POST", "/resources/cid/MachineToMachine", body):
            self.clients.append((made["id"], made["clientId"], made["clientSecret"], account))
            self.secrets.append((made["clientId"], made["clientSecret"], account))

    def make_api(self):
        scopes = [{"identifier": name} for name in ("read", "write", *(f"s{n}" for n in range(self.random.randrange(20))))]
        alg = self.random.choice(["EdDSA", "ES256", "RS256"])
        body = {"appId": f"{self.name}-p{self.writes}", "scopes": scopes, "signingAlg": alg}
        if made := self.write("POST", "/resources/cid/Api", body):
            self.apis.append((made["id"], [scope["identifier"] for scope in scopes]))

    def make_grant(self):
        if self.accounts and self.apis:
            api, scopes = self.random.choice(self.apis)
            some = self.random.sample(scopes, self.random.randint(1, len(scopes)))
            self.write("POST", "/resources/cid/Grant", {"serviceAccountId": self.random.choice(self.accounts), "apiId": api, "scopes": some})

    def patch(self):
        if self.accounts:
            # With a number of its own: a patch that changes nothing is acknowledged, and leaves no commit.
            value = {"round": self.name, "write": self.writes, "filler": "y" * self.random.randrange(6000)}
            body = {"Operations": [{"op": "replace", "path": "attributes", "value": value}]}
            self.write("PATCH", f"/resources/cid/ServiceAccount/{self.random.choice(self.accounts)}", body)

    def add_secret(self):
        if self.clients:
            id, client_id, _, account = self.random.choice(self.clients)
            if made := self.write("POST", f"/resources/cid/MachineToMachine/{id}/secrets", {}):
                self.secrets.append((client_id, made["clientSecret"], account))

    def end_secret(self):
        if self.clients:
            id, client_id, secret, account = self.clients.pop(self.random.randrange(len(self.clients)))
            _, found = self.connection.admin("GET", f"/resources/cid/MachineToMachine/{id}/secrets")
            ending = [one["id"] for one in found["Resources"] if secret.endswith(one["last4"])]
            if ending:
                # Before it is sent: once the server may have ended it, nobody can say that it must work.
                self.secrets.remove((client_id, secret, account))
                self.write("DELETE", f"/resources/cid/MachineToMachine/{id}/secrets/{ending[0]}")

    def get_token(self):
        if self.clients:
            _, client_id, secret, _ = self.random.choice(self.clients)
            status, answer = self.connection.token(client_id, secret)
            if status not in (200, 400, 503):
                raise Failed(f"token: {status} {answer}")

    def delete(self):
        if len(self.accounts) > 3:
            account = self.accounts.pop(self.random.randrange(len(self.accounts)))
            self.secrets = [secret for secret in self.secrets if secret[2] != account]
            self.clients = [client for client in self.clients if client[3] != account]
            self.write("DELETE", f"/resources/cid/ServiceAccount/{account}?cascade=true")
        if len(self.apis) > 4:
            api, _ = self.apis.pop(self.random.randrange(len(self.apis)))
            self.write("DELETE", f"/resources/cid/Api/{api}?cascade=true")

    def rotate(self):
        self.write("POST", "/keys/rotate", {"alg": self.random.choice(["EdDSA", "ES256"]), "force": True})

    def read(self):
        status, answer = self.connection.admin("GET", "/resources/cid/Grant?count=20&sortBy=meta.created")
        if status != 200:
            raise Failed(f"GET grants: {status} {answer}")
