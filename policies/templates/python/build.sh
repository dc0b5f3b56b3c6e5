#!/bin/sh
# Builds policy.wasm. Needs, once:
#   pip install -r requirements.txt
set -e
cd "$(dirname "$0")"
componentize-py --wit-path wit --world policy componentize --stub-wasi --output policy.wasm policy
echo "policy.wasm: $(wc -c <policy.wasm) bytes"
