#!/usr/bin/env bash
# Makes the wheel of a release for one target:
#   pipelines/release/wheel.sh [TARGET]          (default: the target of this machine)
# writes dist/lsmi_etl-VERSION-cp39-abi3-PLATFORM.whl, with the program, which is that of the archive, and the native
# module. FEATURES and PROFILE are those of archive.sh.
set -euo pipefail
cd -P "$(dirname "$0")/../.."

target=${1:-$(rustc -vV | sed -n 's/^host: //p')}
case $target in
    *-linux-gnu) platform=manylinux_2_28 ;;
    *) platform=pypi ;;
esac
export MATURIN_PEP517_ARGS="--profile ${PROFILE:-dist} --locked --features '${FEATURES-cluster}' --target $target \
    --compatibility $platform"
wheel=$(pipelines/release/compile.sh "$target" python3 pipelines/wheel/build_backend.py dist | tail -1)

unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
python3 -m zipfile -e "$wheel" "$unpacked"
python3 pipelines/release/check.py "$unpacked"/lsmi_etl/_native.abi3.so "$unpacked"/*.data/scripts/lsmi-etl
echo "dist/$(basename "$wheel")"
