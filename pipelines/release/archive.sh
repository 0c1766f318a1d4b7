#!/usr/bin/env bash
# Makes the archive of a release for one target, and its checksum:
#   pipelines/release/archive.sh [TARGET]        (default: the target of this machine)
# writes dist/lsmi-etl-VERSION-TARGET.tar.gz and .sha256. In it are the program, its manual pages and
# completions, LICENSE, the licences of its dependencies and their inventory (CycloneDX).
# FEATURES="" leaves out the feature cluster; PROFILE=release is a quicker trial.
# Another target than this machine's needs `rustup target add TARGET` and a C compiler and linker for it
# (for aarch64 Linux the package gcc-aarch64-linux-gnu). macOS needs Apple's SDK: run this on a Mac.
set -euo pipefail
cd "$(dirname "$0")/../.."

host=$(rustc -vV | sed -n 's/^host: //p')
target=${1:-$host}
profile=${PROFILE:-dist}
features=${FEATURES-cluster}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
name=lsmi-etl-$version-$target
build=$(realpath -m "${CARGO_TARGET_DIR:-target}")

# The commit is stated only where no change is uncommitted, and only if there is git at all.
if [ -z "$(git status --porcelain --untracked-files=no 2>&1)" ]; then
    LSMI_ETL_COMMIT=$(git rev-parse HEAD)
    export LSMI_ETL_COMMIT
fi
if [ "$target" = aarch64-unknown-linux-gnu ] && [ "$host" != "$target" ]; then
    export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
fi
# Panics name source files. Without the folders of this machine, the same commit gives the same program elsewhere.
folders=("$(rustc --print sysroot)" "$(realpath "${CARGO_HOME:-$HOME/.cargo}")" "$(pwd -P)" "$build")
names=(/rust /cargo /lsmi-etl /target)
for i in "${!folders[@]}"; do
    RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=${folders[i]}=${names[i]}"
    CFLAGS="${CFLAGS:-} -ffile-prefix-map=${folders[i]}=${names[i]}"
done
export RUSTFLAGS CFLAGS
# --target, for this machine too, keeps these flags from the builds that lie in the same folder.
cargo build --profile "$profile" --locked --features "$features" --bin lsmi-etl --target "$target"
program=$build/$target/$profile/lsmi-etl
for folder in "${folders[@]}"; do
    if grep -aqF "$folder/" "$program"; then
        echo "error: $program names the folder $folder; map it to another name in $0" >&2
        exit 70
    fi
done

# Only this script's own folder is replaced.
rm -rf "dist/$name"
mkdir -p "dist/$name"
cp "$program" LICENSE README.md "dist/$name/"
python3 pipelines/release/inventory.py "$target" "dist/$name" "$features"
# Pages and completions are the same on every target: of another one, the program on PATH writes them, or WRITER.
if [ "$target" = "$host" ]; then writer=./dist/$name/lsmi-etl; else writer=${WRITER:-lsmi-etl}; fi
"$writer" man -o "dist/$name/man"
mkdir "dist/$name/completions"
for shell in bash zsh fish; do
    "$writer" completions "$shell" > "dist/$name/completions/lsmi-etl.$shell"
done

# Names in their order, and one owner and time: the same commit gives the same archive.
time=$(git log -1 --format=%ct 2> /dev/null || echo 0)
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$time" -C dist -cf - "$name" | gzip -n9 > "dist/$name.tar.gz"
(cd dist && sha256sum "$name.tar.gz" > "$name.tar.gz.sha256")
echo "dist/$name.tar.gz"
