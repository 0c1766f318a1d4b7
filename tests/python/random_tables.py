"""Random questions about random tables, asked of lsmi-etl over Parquet files and of DuckDB over the
same rows in memory.

python random_tables.py PROGRAM SEED TABLES QUESTIONS: makes TABLES tables in the current folder,
each written in a layout of its own (writer, files, partitions, row groups, pages, dictionaries,
statistics, null counts), asks QUESTIONS of each, and prints every question that is answered
differently, with both answers and the layout. The last line is JSON: questions, differences, and
questions of tables with an encoding that can't be read, which are neither.
Needs the packages of requirements.txt.
"""

import datetime as dt
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
from decimal import Decimal

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

NAN, NEGATIVE_NAN = struct.unpack("<dd", struct.pack("<QQ", 0x7FF8000000000000, 0xFFF8000000000000))
INF = float("inf")
FLOATS = [NAN, NEGATIVE_NAN, INF, -INF, 0.0, -0.0, 1.0, 1.5, -2.25, 3.0]
WORDS = ["", "a", "b", "ba", "zz", "Ä", "a" * 70, "a" * 70 + "b", "\U0001f600", "~", "\x7f"]
FAR = [dt.datetime(1, 1, 1), dt.datetime(1600, 2, 29), dt.datetime(2024, 5, 1, 12), dt.datetime(9999, 12, 31, 23)]
DAYS = [dt.date(1, 1, 1), dt.date(1969, 12, 31), dt.date(1970, 1, 1), dt.date(2024, 2, 29), dt.date(9999, 12, 31)]
MONEY = [Decimal(text) for text in ("-99999.99", "-0.01", "0.00", "0.01", "12.50", "99999.99")]
COLUMNS = {
    "i": (pa.int32(), [-(2**31), -1, 0, 1, 2, 7, 2**31 - 1]),
    "l": (pa.int64(), [-(2**63), -1, 0, 3, 2**53 + 1, 2**63 - 1]),
    "k": (pa.uint32(), [0, 1, 2**31, 2**32 - 1]),
    "f": (pa.float32(), FLOATS),
    "d": (pa.float64(), FLOATS),
    "s": (pa.string(), WORDS),
    "z": (pa.dictionary(pa.int32(), pa.string()), WORDS),
    "b": (pa.bool_(), [True, False]),
    "day": (pa.date32(), DAYS),
    "ts": (pa.timestamp("us"), FAR),
    "n": (pa.decimal128(7, 2), MONEY),
}
IS_FLOAT = {"f", "d"}


def column(rng, name, rows):
    """Few values, runs and whole stretches of null or of one value, so that bounds are tight."""
    kind, values = COLUMNS[name]
    some = rng.sample(values, rng.randint(1, len(values)))
    share = rng.choice([0, 0, 0.1, 0.5, 0.9])
    cells = [None if rng.random() < share else rng.choice(some) for _ in range(rows)]
    if rng.random() < 0.5:
        size = rng.randint(1, max(1, rows // 3))
        for start in range(0, rows, size):
            if rng.random() < 0.6:
                cells[start : start + size] = [rng.choice([None, *some])] * len(cells[start : start + size])
    return pa.array(cells, kind)


def table(rng):
    rows = rng.choice([1, 3, 40, 300, 3000])
    names = rng.sample(list(COLUMNS), rng.randint(3, len(COLUMNS)))
    columns = {"id": pa.array(range(rows), pa.int64())} | {name: column(rng, name, rows) for name in names}
    return pa.table(columns)


def without_null_counts(path):
    """Null counts become distinct counts, which nobody reads; the file stays as it was if that fails."""
    data = open(path, "rb").read()
    (length,) = struct.unpack("<I", data[-8:-4])
    start = len(data) - 8 - length
    footer = re.sub(rb"\x16([\x00-\x7e])\x28", lambda found: b"\x26" + found[1] + b"\x18", data[start:-8])
    open(path + ".new", "wb").write(data[:start] + footer + data[-8:])
    try:
        same = pq.read_table(path + ".new").equals(pq.read_table(path))
        # A stricter reader: what was replaced may have been no count.
        pl.read_parquet(path + ".new")
    except Exception:
        same = False
    os.replace(path + ".new", path) if same else os.remove(path + ".new")
    return same


def write(rng, part, path):
    writer = rng.choice(["pyarrow", "pyarrow", "pyarrow", "polars", "duckdb"])
    if writer == "polars" and not {"k", "n"} & set(part.column_names):
        options = dict(
            statistics=rng.choice([True, False, "full"]),
            row_group_size=rng.choice([1, 7, 100, 10_000]),
            compression=rng.choice(["zstd", "uncompressed", "snappy"]),
        )
        pl.from_arrow(part).write_parquet(path, **options)
        return f"polars {options}"
    if writer == "duckdb":
        connection = duckdb.connect()
        connection.register("part", part)
        options = f"ROW_GROUP_SIZE {rng.choice([2048, 100_000])}, PARQUET_VERSION {rng.choice(['v1', 'v2'])}"
        connection.execute(f"COPY (SELECT * FROM part ORDER BY id) TO '{path}' (FORMAT parquet, {options})")
        return f"duckdb {options}"
    options = dict(
        row_group_size=rng.choice([1, 5, 64, 1000, 100_000]),
        data_page_size=rng.choice([1, 100, 1 << 20]),
        write_batch_size=rng.choice([1, 16, 1024]),
        use_dictionary=rng.choice([True, False]),
        write_statistics=rng.choice([True, True, False]),
        write_page_index=rng.choice([True, False]),
        data_page_version=rng.choice(["1.0", "2.0"]),
        version=rng.choice(["1.0", "2.4", "2.6"]),
        use_deprecated_int96_timestamps=rng.choice([True, False]),
        compression=rng.choice(["none", "snappy", "zstd"]),
        store_schema=rng.choice([True, False]),
    )
    if options["version"] == "1.0" and "k" in part.column_names:
        options["version"] = "2.6"
    pq.write_table(part, path, **options)
    # The bytes of a place in the footer may look like a count; that of a page index is not checked.
    if rng.random() < 0.3 and not options["write_page_index"] and without_null_counts(path):
        options["null counts"] = "none"
    return f"pyarrow {options}"


def layout(rng, data, folder):
    """Writes the table as one file, several, or partitions; returns what was done."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    kind = rng.choice(["file", "files", "partitions"])
    if kind == "file" or data.num_rows < 3:
        return data, [write(rng, data, f"{folder}/a.parquet")]
    cuts = sorted(rng.sample(range(1, data.num_rows), rng.randint(1, 2)))
    ends = [*cuts, data.num_rows]
    parts = [data.slice(a, b - a) for a, b in zip([0, *cuts], ends)]
    if kind == "files":
        return data, [write(rng, part, f"{folder}/{at}.parquet") for at, part in enumerate(parts)]
    values = rng.choice([["01", "2", "10"], ["1", "__HIVE_DEFAULT_PARTITION__", "3"], ["x%2Fy", "X", "01"]])
    done, whole = [], []
    for part, value in zip(parts, values):
        os.makedirs(f"{folder}/p={value}")
        done.append(f"p={value}: " + write(rng, part, f"{folder}/p={value}/a.parquet"))
        shown = None if value.startswith("__") else value.replace("%2F", "/")
        if "x%2Fy" not in values and shown is not None:
            shown = int(shown)
        kind = pa.string() if "x%2Fy" in values else pa.int64()
        whole.append(part.append_column("p", pa.array([shown] * part.num_rows, kind)))
    return pa.concat_tables(whole), done


def literal(rng, name):
    if name == "p":
        return rng.choice(["1", "2", "3", "10", "99"])
    _, values = COLUMNS[name]
    value = rng.choice(values)
    if name in IS_FLOAT:
        return f"CAST('{value}' AS {'REAL' if name == 'f' else 'DOUBLE'})"
    if name in ("s", "z"):
        return "'" + rng.choice([value, value[:1], value + "x"]) + "'"
    if name == "b":
        return str(value).lower()
    if name == "day":
        return f"DATE '{value:%Y-%m-%d}'" if value.year > 999 else f"DATE '{value.year:04}-01-01'"
    if name == "ts":
        # A literal is in nanoseconds.
        return rng.choice(["TIMESTAMP '1700-01-01 00:00:00'", "TIMESTAMP '2024-05-01 12:00:00'"])
    if name == "n":
        # DataFusion takes a literal for a double.
        return f"CAST('{value}' AS DECIMAL(7, 2))"
    if name == "l" and value == -(2**63):
        return "(-9223372036854775807 - 1)"
    return str(value)


def filtered(rng, names, depth=0):
    if depth < 2 and rng.random() < 0.4:
        one, other = filtered(rng, names, depth + 1), filtered(rng, names, depth + 1)
        return rng.choice([f"({one} AND {other})", f"({one} OR {other})", f"NOT ({one})"])
    name = rng.choice(names)
    forms = [f"{name} IS NULL", f"{name} IS NOT NULL"]
    if name in IS_FLOAT:
        forms += [f"isnan({name})", f"NOT isnan({name})"]
    if name == "b":
        forms += ["b", "NOT b", f"b = {literal(rng, name)}"]
    elif not (name == "p" and "text" in names):
        sign = rng.choice(["=", "<>", "<", "<=", ">", ">="])
        one, other = literal(rng, name), literal(rng, name)
        forms += [f"{name} {sign} {one}"] * 4 + [f"{name} BETWEEN {one} AND {other}", f"{name} IN ({one}, {other})"]
    return rng.choice(forms)


def question(rng, names):
    where = f" WHERE {filtered(rng, names)}" if rng.random() < 0.8 else ""
    name = rng.choice(names)
    kind = rng.choice(["ids", "counts", "bounds", "order", "groups", "distinct", "some", "join"])
    if kind == "ids":
        return f"SELECT id AS v FROM t{where} ORDER BY id"
    if kind == "counts":
        return f"SELECT count(*) AS v, count({name}) AS w FROM t{where}"
    if kind == "bounds":
        if name in IS_FLOAT:
            low, high = (f"{f}({name})" for f in ("min", "max"))
            number = lambda v: f"CASE WHEN isnan({v}) THEN 'nan' WHEN {v} = 0 THEN 'zero' WHEN {v} > 1e300 THEN 'inf' WHEN {v} < -1e300 THEN '-inf' ELSE CAST(CAST({v} * 4 AS BIGINT) AS VARCHAR) END"
            return f"SELECT {number(low)} AS v, {number(high)} AS w FROM t{where}"
        if name in ("s", "z", "i", "l", "k", "p"):
            return f"SELECT CAST(min({name}) AS VARCHAR) AS v, CAST(max({name}) AS VARCHAR) AS w FROM t{where}"
        return f"SELECT count(*) AS v FROM t WHERE {name} = (SELECT max({name}) FROM t{where})"
    if kind == "order":
        order = rng.choice(["", " DESC"]) + rng.choice([" NULLS FIRST", " NULLS LAST"])
        limit = f" LIMIT {rng.choice([1, 5, 50])}" + rng.choice(["", " OFFSET 3"])
        return f"SELECT id AS v FROM t{where} ORDER BY {name}{order}, id{limit}"
    if kind == "groups":
        return f"SELECT count(*) AS v, min(id) AS w FROM t{where} GROUP BY {name} ORDER BY w"
    if kind == "distinct":
        return f"SELECT count(DISTINCT {name}) AS v FROM t{where}"
    if kind == "some":
        return f"SELECT count(*) AS v FROM (SELECT {name} FROM t{where} LIMIT {rng.choice([0, 1, 10, 5000])}) AS u"
    return f"SELECT count(*) AS v FROM t AS a JOIN t AS b ON a.{name} = b.{name} WHERE a.id < 20 AND b.id % 3 = 0"


def ours(program, folder, questions):
    numbered = (re.sub("^SELECT ", f"SELECT {at} AS q, ", text) for at, text in enumerate(questions))
    command = [program, "sql", "--table", f"t={folder}", "--format", "ndjson", ";\n".join(numbered)]
    ran = subprocess.run(command, capture_output=True, text=True)
    answers = [[] for _ in questions]
    for line in ran.stdout.splitlines():
        row = json.loads(line)
        answers[row["q"]].append([row[key] for key in ("v", "w") if key in row])
    return answers, ran


def duckdbs(data, questions):
    connection = duckdb.connect()
    connection.register("arrow", data)
    connection.execute("CREATE TABLE t AS SELECT * FROM arrow")
    return [[list(row) for row in connection.execute(text).fetchall()] for text in questions]


def main(program, seed, tables, count):
    asked = different = refused = 0
    for at in range(tables):
        rng = random.Random(seed * 1_000_003 + at)
        folder = f"t{at}"
        data, done = layout(rng, table(rng), folder)
        names = data.column_names[1:]
        if "p" in names and data.schema.field("p").type == pa.string():
            names = [*names[:-1]]
        questions = [question(rng, names) for _ in range(count)]
        expected = duckdbs(data, questions)
        found, ran = ours(program, folder, questions)
        asked += count
        if ran.returncode == 65 and "an encoding that can't be read" in ran.stderr:
            # What DuckDB makes of k under PARQUET_VERSION v2.
            asked, refused = asked - count, refused + count
            shutil.rmtree(folder)
            continue
        if ran.returncode != 0:
            different += 1
            print(f"seed {seed}, table {at}: exit {ran.returncode}: {ran.stderr.strip()}\n  {done}")
            continue
        for text, a, b in zip(questions, found, expected):
            if a != b:
                different += 1
                print(f"seed {seed}, table {at}: {text}\n  lsmi-etl {str(a)[:300]}\n  duckdb   {str(b)[:300]}\n  {done}")
        shutil.rmtree(folder)
    print(json.dumps({"questions": asked, "differences": different, "refused": refused}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
