"""Runs a public SCIM conformance tester against the server at GRANTD_URL, and says what it found."""

import os
import sys

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

http = httpx2.Client(
    base_url=os.environ["GRANTD_URL"] + "/scim/v2",
    headers={"Authorization": "Bearer " + os.environ["GRANTD_API_TOKEN"]},
)
results = check_server(SyncSCIMClient(http))

counts = {"passed": 0, "failed": 0, "skipped": 0}
words = {Status.SUCCESS: "passed", Status.SKIPPED: "skipped"}
for result in results:
    word = words.get(result.status, "failed")
    counts[word] += 1
    print(f"{word:8} {result.title}: {result.reason or ''}".rstrip())
# One type of resource, found by itself: a tester that found none has tested nothing.
if not any(result.resource_type == "ServiceAccount" for result in results):
    sys.exit("the tester found no ServiceAccount to test")
print(f"scim: {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
sys.exit(counts["failed"] > 0)
