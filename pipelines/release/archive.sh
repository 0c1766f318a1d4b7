#!/usr/bin/env bash
# Makes the archive of a release for one target, and its checksum:
#   pipelines/release/archive.sh [TARGET]        (default: the target of this machine)
# writes dist/lsmi-etl-VERSION-TARGET.tar.gz and .sha256. In it are the program, its manual pages and
# completions, LICENSE, the licences of its dependencies and their inventory (CycloneDX).
# FEATURES="" leaves out the feature cluster; PROFILE=release is a quicker trial. What a target needs is in compile.sh.
set -euo pipefail
cd -P "$(dirname "$0")/../.."

host=$(rustc -vV | sed -n 's/^host: //p')
target=${1:-$host}
profile=${PROFILE:-dist}
features=${FEATURES-cluster}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
name=lsmi-etl-$version-$target

# --target, for this machine too, keeps the flags of compile.sh from other builds in the same folder.
pipelines/release/compile.sh "$target" \
    cargo build --profile "$profile" --locked --features "$features" --bin lsmi-etl --target "$target"
program=${CARGO_TARGET_DIR:-target}/$target/$profile/lsmi-etl
python3 pipelines/release/check.py "$program"

# Only this script's own folder is replaced.
rm -rf "dist/$name"
mkdir -p "dist/$name"
cp "$program" LICENSE README.md "dist/$name/"
python3 pipelines/release/inventory.py "$target" "dist/$name" "$features"
# Pages and completions are the same on every target: the program of this machine's archive writes them.
writer=dist/lsmi-etl-$version-$host/lsmi-etl
if [ ! -x "$writer" ]; then
    echo "error: $writer: not found; make the archive of $host first" >&2
    exit 66
fi
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
