"""The engines with the package lsmi_etl beside the same pipelines with a plain function, in alternating rounds.

    python compare.py IN BUNDLE FOLDER [--rounds N] [ENGINE…]

Prints medians: rows a second of the engine alone, of a plain function of numpy or pandas (where the engine has it), of
one of Arrow data, and of lsmi_etl; its ratio to either; the ratio of the time that it and the one of Arrow data add to
the engine's own; the peaks of memory in MB.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

HOWS = ["none", "plain", "ours"]
#: Engines whose documentation begins with pandas or numpy.
OF_NUMPY = ["spark", "ray", "datasets"]
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
    print("  engine      engine alone  numpy rows/s  plain rows/s  ours rows/s  of numpy  of plain  of added time", end="")
    print("  plain MB  ours MB", flush=True)
    for engine in args.engines or ENGINES:
        hows = [*HOWS, "numpy"] if engine in OF_NUMPY else HOWS
        rounds = [{how: run(engine, how, source, bundle, folder) for how in hows} for _ in range(args.rounds)]
        rate = {how: statistics.median(one[how]["rows_per_second"] for one in rounds) for how in hows}
        peak = {how: statistics.median(one[how]["peak_bytes"] for one in rounds) / 1e6 for how in hows}

        def ratio(how):
            if how not in hows:
                return "-"
            ratios = (one["ours"]["rows_per_second"] / one[how]["rows_per_second"] for one in rounds)
            return f"{statistics.median(ratios):.2f}"

        added = {how: 1 / rate[how] - 1 / rate["none"] for how in ("plain", "ours")}
        of_added = f"{added['plain'] / added['ours']:.2f}" if added["ours"] > 0 else "-"
        numpy = f"{rate['numpy']:.0f}" if "numpy" in hows else "-"
        print(
            f"  {engine:<10}  {rate['none']:>12.0f}  {numpy:>12}  {rate['plain']:>12.0f}  {rate['ours']:>11.0f}"
            f"  {ratio('numpy'):>8}  {ratio('plain'):>8}  {of_added:>13}  {peak['plain']:>8.0f}  {peak['ours']:>7.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
