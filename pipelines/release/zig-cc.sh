#!/bin/sh
# zig as the C compiler and the linker of one target, with the symbols of an old glibc that zig brings. compile.sh sets
# ZIG_TARGET. Through the wrapper of cargo-zigbuild, which leaves out what rustc tells only gcc. `cargo zigbuild` and
# `maturin --zig` would do as well, but each with a wrapper of its own, so that what they share is compiled twice.
exec cargo-zigbuild zig cc -- -g -fno-sanitize=all -target "$ZIG_TARGET" "$@"
