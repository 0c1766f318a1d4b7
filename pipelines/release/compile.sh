#!/usr/bin/env bash
# Runs a command that compiles what is shipped for one target, and that is told this target by `--target`:
#   pipelines/release/compile.sh TARGET COMMAND [ARGUMENT...]
# The commit, the target's C compiler and linker, and names for folders are in the environment of COMMAND.
# Another target than this machine's needs `rustup target add TARGET` and a C compiler and linker for it
# (for aarch64 Linux the package gcc-aarch64-linux-gnu). macOS needs Apple's SDK: run this on a Mac.
set -euo pipefail
cd -P "$(dirname "$0")/../.."

target=$1
shift
# The commit is stated only where no change is uncommitted, and only if there is git at all.
if [ -z "$(git status --porcelain --untracked-files=no 2>&1)" ]; then
    LSMI_ETL_COMMIT=$(git rev-parse HEAD)
    export LSMI_ETL_COMMIT
fi
if [ "$target" = aarch64-unknown-linux-gnu ] && [ "$(uname -m)" != aarch64 ]; then
    export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
fi
# Panics and assertions name source files: under these names instead of this machine's folders.
build=${CARGO_TARGET_DIR:-target}
mkdir -p "$build"
build=$(cd -P "$build" && pwd)
for map in "$(rustc --print sysroot)=/rust" "${CARGO_HOME:-$HOME/.cargo}=/cargo" "$PWD=/lsmi-etl" "$build=/target"; do
    RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$map"
    CFLAGS="${CFLAGS:-} -ffile-prefix-map=$map"
done
export RUSTFLAGS CFLAGS
exec "$@"
