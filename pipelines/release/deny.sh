#!/usr/bin/env bash
# Checks the dependencies against deny.toml with cargo-deny, before a release:
#   pipelines/release/deny.sh
# The tests hold the licences to the same list without it (tests/release), since it takes minutes to compile:
#   cargo install cargo-deny --locked
# Advisories need their database, which cargo-deny downloads; where it can't, the rest is checked and the script
# ends with 75 after it has said so.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v cargo-deny > /dev/null; then
    echo "error: cargo-deny is not installed: cargo install cargo-deny --locked" >&2
    exit 69
fi
cargo deny --offline --locked check licenses bans sources
if ! cargo deny fetch db; then
    echo "error: the database of advisories can't be reached, so advisories were not checked; run this again with a network" >&2
    exit 75
fi
cargo deny --locked check advisories
