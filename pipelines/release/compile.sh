#!/usr/bin/env bash
# Runs a command that compiles what is shipped for one target, and that is told this target by `--target`:
#   pipelines/release/compile.sh TARGET COMMAND [ARGUMENT...]
# The commit, the target's C compiler and linker, and names for folders are in the environment of COMMAND.
# It needs `rustup target add TARGET`; for Linux, an active virtual environment with
# pipelines/release/requirements.txt; for macOS, Apple's SDK: run this on a Mac.
set -euo pipefail
cd -P "$(dirname "$0")/../.."

target=$1
shift
# The commit is stated only where no change is uncommitted, and only if there is git at all.
if [ -z "$(git status --porcelain --untracked-files=no 2>&1)" ]; then
    LSMI_ETL_COMMIT=$(git rev-parse HEAD)
    export LSMI_ETL_COMMIT
fi
case $target in
    *-unknown-linux-gnu)
        if ! command -v cargo-zigbuild > /dev/null; then
            echo "error: cargo-zigbuild: not found; install pipelines/release/requirements.txt, for example with" >&2
            echo "  python3 -m venv dist/venv && . dist/venv/bin/activate && pip install -r pipelines/release/requirements.txt" >&2
            exit 69
        fi
        # The oldest glibc that a program runs with. 2.28 is that of RHEL 8 and Debian 10.
        export ZIG_TARGET=${target/-unknown/}.2.28
        variable=${target//-/_}
        export "CC_$variable=$PWD/pipelines/release/zig-cc.sh"
        export "CARGO_TARGET_${variable^^}_LINKER=$PWD/pipelines/release/zig-cc.sh"
        # The profile's own link-time optimisation takes more than 19 GB for this target, and this one 6.5 GB.
        if [ "$target" = aarch64-unknown-linux-gnu ]; then export CARGO_PROFILE_DIST_LTO=thin; fi
        ;;
esac
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
