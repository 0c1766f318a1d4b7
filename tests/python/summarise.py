"""What lsmi_summary must give, by DuckDB: all rows first, then each y in order."""

import json
import sys

import duckdb

PARTS = ["r", "u1", "u2", "s"]
NAMES = ["redundancy", "unique_1", "unique_2", "synergy"]

largest = "greatest(r, u1, u2, s)"
dominant = "CASE " + " ".join(
    f"WHEN {part} = {largest} THEN '{name}'" for part, name in zip(PARTS, NAMES)
) + " END"
columns = ["count(r) AS rows", "count(*) - count(r) AS nulls"]
columns += [f"avg({part}::DOUBLE) AS {part}" for part in PARTS]
columns += [f"stddev_samp({part}::DOUBLE) / sqrt(count({part})) AS {part}_std_error" for part in PARTS]
columns += [
    f"count(*) FILTER (WHERE r IS NOT NULL AND {dominant} = '{name}') / count(r) AS {name}_share"
    for name in NAMES
]
select = "SELECT {} FROM '" + sys.argv[1] + "' {}"
whole = duckdb.sql(select.format(", ".join(["NULL AS y", *columns]), ""))
groups = duckdb.sql(select.format(", ".join(["y", *columns]), "GROUP BY y ORDER BY y"))
rows = [dict(zip(part.columns, row)) for part in (whole, groups) for row in part.fetchall()]
print(json.dumps([{"y": row.pop("y"), "p": row} for row in rows]))
