"""What other programs read in a file: python read_back.py FILE (or - for an Arrow stream)

One line of JSON: the rows as pyarrow reads them, the types, what is known of each column,
and for Parquet the rows as DuckDB reads them. Needs the packages of requirements.txt.
"""

import json
import sys

import duckdb
import pyarrow
import pyarrow.ipc
import pyarrow.parquet


def table(path):
    if path == "-":
        return pyarrow.ipc.open_stream(sys.stdin.buffer).read_all()
    if path.endswith(".arrows"):
        return pyarrow.ipc.open_stream(pyarrow.OSFile(path)).read_all()
    if path.endswith(".arrow"):
        return pyarrow.ipc.open_file(pyarrow.OSFile(path)).read_all()
    # The file alone, without what a hive folder's name would add.
    return pyarrow.parquet.ParquetFile(path).read()


def main():
    path = sys.argv[1]
    read = table(path)
    read.validate(full=True)
    result = {
        "rows": read.to_pylist(),
        "types": {field.name: str(field.type) for field in read.schema},
        "known": {
            field.name: {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
            for field in read.schema
        },
    }
    if path.endswith(".parquet"):
        rows = duckdb.sql(f"SELECT * FROM '{path}'")
        result["duckdb"] = [dict(zip(rows.columns, row)) for row in rows.fetchall()]
    print(json.dumps(result))


main()
