"""The engines with the package lsmi_etl beside the same pipelines with a plain function, in alternating rounds.

    python compare.py IN BUNDLE FOLDER [--rounds N] [ENGINE…]

Prints medians: rows a second of the engine alone, of both ways, their ratio, the ratio of the time that they add to the
engine's own, and the peaks of memory in MB.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

HOWS = ["none", "plain", "ours"]
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
    print(
        "  engine      engine alone   plain rows/s   ours rows/s  ratio  of added time   plain MB   ours MB", flush=True
    )
    for engine in args.engines or ENGINES:
        rounds = [{how: run(engine, how, source, bundle, folder) for how in HOWS} for _ in range(args.rounds)]
        median = {how: statistics.median(one[how]["rows_per_second"] for one in rounds) for how in HOWS}
        ratio = statistics.median(one["ours"]["rows_per_second"] / one["plain"]["rows_per_second"] for one in rounds)
        added = {how: 1 / median[how] - 1 / median["none"] for how in ("plain", "ours")}
        of_added = added["plain"] / added["ours"] if added["ours"] > 0 else float("inf")
        peak = {how: statistics.median(one[how]["peak_bytes"] for one in rounds) / 1e6 for how in HOWS}
        print(
            f"  {engine:<10}  {median['none']:>12.0f}  {median['plain']:>13.0f}  {median['ours']:>12.0f}"
            f"  {ratio:>5.2f}  {of_added:>13.2f}  {peak['plain']:>9.0f}  {peak['ours']:>8.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
