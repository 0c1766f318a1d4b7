"""Tells whether Parquet files have the rows of another file, bit for bit, in whatever order.

    python same_rows.py OUT WANT COLUMN…

OUT is a file or a folder. Rows are matched by the embedding x1, which is unique. Prints the metadata of the column r
and of the file as one line of JSON, and exits 1 with what differs.
"""

import json
import pathlib
import struct
import sys

import pyarrow as pa
import pyarrow.parquet as pq


def rows(table, columns):
    """The bits of the columns by those of x1."""
    bits = lambda values: None if values is None else struct.pack(f"<{len(values)}f", *values)
    keys = map(bits, table["x1"].to_pylist())
    values = zip(*(table[name].cast(pa.float32()).to_pylist() for name in columns))
    found = {key: tuple(None if v is None else struct.pack("<f", v) for v in row) for key, row in zip(keys, values)}
    assert len(found) == table.num_rows, "x1 is not unique"
    return found


def main():
    out, want, columns = pathlib.Path(sys.argv[1]), pq.read_table(sys.argv[2]), sys.argv[3:]
    table = pq.read_table(out)
    if not set(want.column_names) <= set(table.column_names):
        sys.exit(f"columns {table.column_names}, and not {want.column_names}")
    found, expected = rows(table, columns), rows(want, columns)
    if found != expected:
        differ = [key for key in expected if found.get(key) != expected[key]]
        sys.exit(f"{len(found)} rows for {len(expected)}, {len(differ)} of them differ")
    files = [out] if out.is_file() else sorted(out.rglob("*.parquet"))
    schema = pq.read_schema(files[0])
    text = lambda pairs: {key.decode(): value.decode() for key, value in (pairs or {}).items()}
    footer = {key: value for key, value in text(pq.read_metadata(files[0]).metadata).items() if key != "ARROW:schema"}
    print(json.dumps({"rows": len(found), "r": text(schema.field("r").metadata), "file": footer}))


if __name__ == "__main__":
    main()
