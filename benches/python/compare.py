"""The engines with the package lsmi_etl beside the same pipelines with a plain function, in alternating rounds.

    python compare.py IN BUNDLE FOLDER [--rounds N] [ENGINE…]

Prints medians: rows a second of both ways, their ratio, and the peak of memory in MB of both.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

ENGINES = ["spark", "ray", "daft", "duckdb", "duckdb_sql", "polars", "datasets"]


def run(engine, how, source, bundle, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    script = pathlib.Path(__file__).with_name("engines.py")
    command = [sys.executable, script, engine, how, source, folder / "out.parquet", bundle]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    shutil.rmtree(folder, ignore_errors=True)
    if done.returncode:
        sys.exit(f"{engine}, {how}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("bundle", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("engines", nargs="*", default=ENGINES)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    source, bundle, folder = (path.resolve() for path in (args.source, args.bundle, args.folder / "run"))
    print("  engine      plain rows/s   ours rows/s  ratio   plain MB   ours MB", flush=True)
    for engine in args.engines or ENGINES:
        rounds = [
            {how: run(engine, how, source, bundle, folder) for how in ("plain", "ours")} for _ in range(args.rounds)
        ]
        rate = {how: statistics.median(one[how]["rows_per_second"] for one in rounds) for how in ("plain", "ours")}
        ratio = statistics.median(one["ours"]["rows_per_second"] / one["plain"]["rows_per_second"] for one in rounds)
        peak = {how: statistics.median(one[how]["peak_bytes"] for one in rounds) / 1e6 for how in ("plain", "ours")}
        print(
            f"  {engine:<10}  {rate['plain']:>12.0f}  {rate['ours']:>12.0f}  {ratio:>5.2f}"
            f"  {peak['plain']:>9.0f}  {peak['ours']:>8.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
