"""Whether the server still answers, and still knows the bearer of the run."""

import os
import sys
import urllib.request

for path in ("/api/v1/health/ready", "/api/v1/keys"):
    request = urllib.request.Request(os.environ["GRANTD_URL"] + path)
    request.add_header("Authorization", "Bearer " + os.environ["GRANTD_API_TOKEN"])
    try:
        urllib.request.urlopen(request, timeout=10)
    except OSError as error:
        sys.exit(f"after the run, {path} is not answered as before it: {error}")
