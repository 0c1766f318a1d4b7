"""Compare the numbers of `lsmi-etl report --format json` with those that DuckDB and numpy
find in the same files. Prints every difference; nothing where there is none.

    check_report.py REPORT.json LABEL FILE.parquet…
"""

import json
import math
import sys

import duckdb
import numpy as np
import pyarrow.parquet as pq

PARTS = ["r", "u1", "u2", "s"]
INFORMATION = {"i1": "r + u1", "i2": "r + u2", "i12": "r + u1 + u2 + s"}


def main() -> None:
    report, label, files = json.load(open(sys.argv[1])), sys.argv[2], sys.argv[3:]
    data = report["data"]
    wrong: list[str] = []

    def same(what: str, found: object, expected: object, tolerance: float = 1e-9) -> None:
        if isinstance(expected, float) and isinstance(found, (int, float)):
            if not math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance):
                wrong.append(f"{what}: {found} for {expected}")
        elif found != expected:
            wrong.append(f"{what}: {found} for {expected}")

    casts = ", ".join(f"CAST({part} AS DOUBLE) AS {part}" for part in PARTS)
    listed = ", ".join(f"'{file}'" for file in files)
    rows = f"(SELECT {casts}, {label} AS class FROM read_parquet([{listed}]) WHERE isfinite(r))"
    total = duckdb.sql(f"SELECT count(*) FROM read_parquet([{listed}])").fetchall()[0][0]
    good = duckdb.sql(f"SELECT count(*) FROM {rows}").fetchall()[0][0]
    same("rows", [data["rows"], data["computed_rows"], data["bad_rows"]], [total, good, total - good])

    def figure(what: str, found: dict, sql: str, where: str) -> None:
        mean, error, deviation, low, high = duckdb.sql(
            f"SELECT avg({sql}), stddev_samp({sql}) / sqrt(count(*)), stddev_samp({sql}), min({sql}), max({sql}) "
            f"FROM {rows} WHERE {where}"
        ).fetchall()[0]
        same(f"{what} mean", found["mean_nats"], mean)
        same(f"{what} error", found["std_error_nats"], error)
        same(f"{what} bits", found["mean_bits"], mean / math.log(2))
        same(f"{what} bits' error", found["std_error_bits"], error / math.log(2))
        same(f"{what} deviation", found["std_dev_nats"], deviation)
        same(f"{what} range", [found["min_nats"], found["max_nats"]], [low, high])

    for part in PARTS:
        figure(part, data["parts"][part], part, "true")
    for name, sql in INFORMATION.items():
        figure(name, data["information"][name], sql, "true")
    counts = np.array([n for (n,) in duckdb.sql(f"SELECT count(*) FROM {rows} GROUP BY class").fetchall()])
    shares = counts / counts.sum()
    same("entropy", data["label_entropy_nats"], float(-(shares * np.log(shares)).sum()))
    bounds = duckdb.sql(f"SELECT avg(r + least(u1, u2)), avg(r + greatest(u1, u2)) FROM {rows}").fetchall()[0]
    for found, expected in zip(data["redundancy_bounds_nats"], bounds):
        same("bound", found, expected)

    cases = duckdb.sql(
        f"SELECT count(*) FILTER (u1 = 0 AND u2 <> 0), count(*) FILTER (u2 = 0 AND u1 <> 0), "
        f"count(*) FILTER (u1 = 0 AND u2 = 0), count(*) FILTER (u1 <> 0 AND u2 <> 0) FROM {rows}"
    ).fetchall()[0]
    same("cases", [data["cases"][name] for name in ["first", "second", "both", "between"]], list(cases))

    classes = [str(value) for (value,) in duckdb.sql(f"SELECT DISTINCT class FROM {rows} ORDER BY class").fetchall()]
    same("classes", [found["class"] for found in data["classes"]], classes)
    for found in data["classes"]:
        name = found["class"].replace("'", "''")
        where = f"class::VARCHAR = '{name}'"
        for part in PARTS:
            figure(f"class {found['class']} {part}", found["parts"][part], part, where)
        dominant = duckdb.sql(
            f"SELECT count(*) FILTER (best = 1), count(*) FILTER (best = 2), count(*) FILTER (best = 3), "
            f"count(*) FILTER (best = 4) FROM (SELECT list_position([r, u1, u2, s], greatest(r, u1, u2, s)) AS best "
            f"FROM {rows} WHERE {where})"
        ).fetchall()[0]
        same(f"class {found['class']} dominant", [found["dominant"][part] for part in PARTS], list(dominant))

    table = pq.read_table(files[0]) if len(files) == 1 else None
    columns = dict(zip(PARTS, np.array(duckdb.sql(f"SELECT r, u1, u2, s FROM {rows}").fetchall(), dtype=float).T))
    for part in PARTS:
        values, shown = np.asarray(columns[part]), data["distributions"][part]
        for quantile in shown["quantiles"]:
            exact = float(np.quantile(values, quantile["share"]))
            # Between two rows any value is a quantile; they are this far apart at most.
            gap = float(np.max(np.diff(np.quantile(values, np.clip(quantile["share"] + np.array([-1, 1]) / good, 0, 1)))))
            same(f"{part} quantile {quantile['share']}", quantile["nats"], exact, shown["resolution_nats"] + gap)
        edges = np.array(shown["edges_nats"])
        # A value at an edge may fall to either side of it by rounding.
        exact, _ = np.histogram(values, edges)
        if np.abs(np.cumsum(exact) - np.cumsum(shown["counts"])).max() > 1 + 1e-4 * good:
            wrong.append(f"{part} histogram: {shown['counts']} for {exact.tolist()}")
        same(f"{part} zeros", shown["zero_rows"], int((values == 0).sum()))
        rest = shown["below_rows"] + sum(shown["counts"]) + shown["above_rows"]
        same(f"{part} rows in the histogram", rest, good)

    density = data["density"]
    exact, _, _ = np.histogram2d(columns["r"], columns["s"], [density["r_edges_nats"], density["s_edges_nats"]])
    if np.abs(exact - np.array(density["counts"])).sum() > 2 + 1e-3 * good:
        wrong.append("the density differs")
    same("rows in the density", int(np.sum(density["counts"])) + density["outside_rows"], good)

    ends = {
        "redundant": ("-r", "r > 0 AND r + u1 > 0 AND r + u2 > 0"),
        "unique_1": ("-u1", "u1 > 0 AND r + u1 > 0"),
        "unique_2": ("-u2", "u2 > 0 AND r + u2 > 0"),
        "synergistic": ("-s", "s > 0 AND r + u1 + u2 + s > 0"),
        "contradicted": ("r + u1 + u2 + s", "r + u1 + u2 + s < 0"),
    }
    for name, (order, condition) in ends.items():
        found, limit = data["samples"][name], data["samples"]["limit"]
        expected = duckdb.sql(f"SELECT {order} FROM {rows} WHERE {condition} ORDER BY 1 LIMIT {limit}").fetchall()
        same(f"{name} rows", len(found), len(expected))
        for sample, (rank,) in zip(found, expected):
            values = {part: sample["parts"][part] for part in PARTS}
            same(f"{name} {sample['row']}", float(eval(order, {}, values)), rank)
            if table is not None:
                row = table.slice(sample["row"], 1).to_pylist()[0]
                same(f"{name} row {sample['row']}", values, {part: row[part] for part in PARTS})
                same(f"{name} class of row {sample['row']}", sample["class"], str(row[label]))
    print("\n".join(wrong))


if __name__ == "__main__":
    main()
