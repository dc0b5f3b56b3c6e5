"""Owns what must hold after a restart, whatever happened before it."""

import datetime

# Every acknowledged secret is tried, up to this many a round.
SECRETS_TRIED_MAX = 10
# Names that are looked for in each round, of the newest accounts and of the oldest each.
NAMES_LOOKED_FOR = 4
TYPES = ("ServiceAccount", "MachineToMachine", "Api", "Grant")


class Failed(Exception):
    """An invariant does not hold."""


class Model:
    """Every resource as the audit trail says it is: the changes of all commits, one after the other."""

    def __init__(self):
        self.current = {}
        self.credentials = {}

    def is_ours(self, kind, id):
        names = {"ServiceAccount": "userName", "Api": "appId"}
        return self.current[kind, id][names[kind]].startswith("r") and "-" in self.current[kind, id][names[kind]]

    def apply(self, change):
        kind, id, before, after = change["resourceType"], change["id"], change["before"], change["after"]
        if kind == "Credential":
            self.credentials[id] = after
        elif kind == "MachineToMachine":
            for credential in (before or {}).get("credentials", []) if after is None else []:
                self.credentials[credential["id"]] = None
            for credential in after["credentials"] if after and before is None else []:
                self.credentials[credential["id"]] = credential
        known = self.current.get((kind, id))
        if kind in TYPES and comparable(known) != comparable(before):
            raise Failed(f"{kind} {id} was {known}, and the next commit says that it was {before}")
        if after is None:
            self.current.pop((kind, id), None)
        else:
            self.current[kind, id] = after


def comparable(resource):
    """Without what changes by itself, and what is compared on its own."""
    if resource is None:
        return None
    return {name: value for name, value in resource.items() if name not in ("credentials", "lastUsedAt", "meta", "revision")}


def keys(connection):
    """The state of every signing key."""
    _, found = connection.admin("GET", "/keys")
    return {key["id"]: key["state"] for key in found["Resources"]}


class Checker:
    def __init__(self):
        self.model = Model()
        self.sequence = 0

    def check(self, server, done):
        connection = server.connect()
        keys_before = keys(connection)
        commits = self.new_commits(connection, done)
        self.writes_are_whole_or_absent(commits, done)
        self.events_are_those_of_the_commits(connection, commits, done)
        for commit in commits:
            for change in commit["changes"]:
                self.model.apply(change)
            self.sequence = commit["sequence"]
        self.resources_are_those_of_the_trail(connection)
        self.keys_are_those_of_the_trail(keys_before, keys(connection))
        self.names_are_found(connection)
        self.secrets_work(connection, done)

    def new_commits(self, connection, done):
        """In order. A commit's time is taken before it waits for its turn: some may be older than the round."""
        since = datetime.datetime.fromtimestamp(done.began - 120, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found = connection.every("/audit/commits", filter=f'createdAt ge "{since}"', sortBy="createdAt")
        found = sorted((commit for commit in found if commit["sequence"] > self.sequence), key=lambda commit: commit["sequence"])
        if [commit["sequence"] for commit in found] != list(range(self.sequence + 1, self.sequence + 1 + len(found))):
            raise Failed(f"commits are missing after {self.sequence}: {[commit['sequence'] for commit in found]}")
        return found

    def writes_are_whole_or_absent(self, commits, done):
        ours = [commit["requestId"] for commit in commits if commit["requestId"].startswith(f"{done.name}-")]
        strangers = [commit for commit in commits if not commit["requestId"].startswith(f"{done.name}-") and commit["requestId"] != "system"]
        if strangers:
            raise Failed(f"commits of earlier rounds turned up: {strangers}")
        if len(ours) != len(set(ours)):
            raise Failed(f"written twice: {sorted(id for id in set(ours) if ours.count(id) > 1)}")
        if lost := done.acknowledged - set(ours):
            raise Failed(f"acknowledged, and lost: {sorted(lost)}")
        if not done.may_come_back and (kept := done.refused & set(ours)):
            raise Failed(f"refused, and kept: {sorted(kept)}")
        if unknown := set(ours) - done.acknowledged - done.unanswered - done.refused:
            raise Failed(f"kept, and never sent: {sorted(unknown)}")

    def events_are_those_of_the_commits(self, connection, commits, done):
        since = datetime.datetime.fromtimestamp(done.began - 120, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        events = connection.every("/event-logs", filter=f'createdAt ge "{since}"')
        events = sorted(event["requestId"] for event in events if event["requestId"].startswith(f"{done.name}-"))
        expected = sorted(commit["requestId"] for commit in commits if commit["requestId"] != "system")
        if events != expected:
            raise Failed(f"events {set(events) ^ set(expected)} stand without a commit, or the other way round")

    def resources_are_those_of_the_trail(self, connection):
        found_credentials = set()
        for kind in TYPES:
            found = {item["id"]: item for item in connection.every(f"/resources/cid/{kind}")}
            expected = {id: resource for (of, id), resource in self.model.current.items() if of == kind}
            if found.keys() != expected.keys():
                raise Failed(f"{kind}: {found.keys() ^ expected.keys()} are in the trail alone, or in the list alone")
            for id, item in found.items():
                if comparable(item) != comparable(expected[id]):
                    raise Failed(f"{kind} {id} is {item}, and the trail says {expected[id]}")
                if item["meta"]["revision"] != expected[id]["revision"]:
                    raise Failed(f"{kind} {id} has revision {item['meta']['revision']}, and the trail says {expected[id]['revision']}")
                found_credentials |= {credential["id"] for credential in item.get("credentials", [])}
        if found_credentials != {id for id, credential in self.model.credentials.items() if credential}:
            raise Failed("the clients' secrets are not those of the trail")

    def keys_are_those_of_the_trail(self, before, after):
        """A server makes the keys to come soon after its start: that may be before the trail was read, and after it."""
        expected = {id: key["state"] for (kind, id), key in self.model.current.items() if kind == "SigningKey"}
        if expected not in (before, after):
            raise Failed(f"the keys are {after}, they were {before}, and the trail says {expected}")

    def names_are_found(self, connection):
        """By a part of them: their index is filled a moment behind the writes."""
        names = {id: account["userName"] for (kind, id), account in self.model.current.items() if kind == "ServiceAccount"}
        for id in [*sorted(names)[:NAMES_LOOKED_FOR], *sorted(names)[-NAMES_LOOKED_FOR:]]:
            found = connection.every("/resources/cid/ServiceAccount", filter=f'userName co "{names[id][1:]}"')
            expected = {other for other, name in names.items() if names[id][1:] in name}
            if {account["id"] for account in found} != expected:
                raise Failed(f"{names[id]} is not found by a part of its name, or more is")

    def secrets_work(self, connection, done):
        for client_id, secret in done.secrets[-SECRETS_TRIED_MAX:]:
            status, answer = connection.token(client_id, secret)
            if status == 401:
                raise Failed(f"the secret of {client_id} was shown, and does not work: {answer}")
