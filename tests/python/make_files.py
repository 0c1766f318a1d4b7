"""Writes Parquet files as their several writers write them, for the splice to copy.

    python make_files.py DIR

Every file holds at least `x1` and `x2` (embeddings of 8 floats) and `label`
(integers below 4), with rows in an order that a column `id` tells. Needs the
packages of requirements.txt. The seed is fixed, so the files' contents are too.
"""

import datetime
import decimal
import json
import pathlib
import sys

import duckdb
import numpy
import polars
import pyarrow
import pyarrow.parquet

DIM = 8


def embeddings(rng, rows, layout="fixed", item=pyarrow.float32(), dim=DIM):
    """A column of `rows` embeddings, none of them null."""
    values = pyarrow.array(rng.normal(size=rows * dim).astype(numpy.float32)).cast(item)
    if layout == "fixed":
        return pyarrow.FixedSizeListArray.from_arrays(values, dim)
    offsets = numpy.arange(0, (rows + 1) * dim, dim)
    if layout == "large":
        return pyarrow.LargeListArray.from_arrays(pyarrow.array(offsets, pyarrow.int64()), values)
    return pyarrow.ListArray.from_arrays(pyarrow.array(offsets, pyarrow.int32()), values)


def samples(rows, layout="fixed", item=pyarrow.float32(), seed=1):
    """The columns every file has."""
    rng = numpy.random.default_rng(seed)
    return {
        "id": pyarrow.array(range(rows), pyarrow.int64()),
        "x1": embeddings(rng, rows, layout, item),
        "x2": embeddings(rng, rows, layout, item),
        "label": pyarrow.array(rng.integers(0, 4, rows), pyarrow.int64()),
    }


def rich(rows):
    """Columns of all the types that a copy could damage."""
    rng = numpy.random.default_rng(2)
    some = lambda make, every=5: [None if i % every == 3 else make(i) for i in range(rows)]
    utc = datetime.timezone.utc
    start = datetime.datetime(2024, 5, 17, 12, tzinfo=utc)
    when = lambda i: start + datetime.timedelta(seconds=i, microseconds=i)
    struct = pyarrow.struct([("a", pyarrow.int32()), ("b", pyarrow.list_(pyarrow.string()))])
    arrays = samples(rows)
    arrays.update({
        "decimal": pyarrow.array(some(lambda i: decimal.Decimal(i) / 100), pyarrow.decimal128(18, 2)),
        "decimal_256": pyarrow.array(some(lambda i: decimal.Decimal(i)), pyarrow.decimal256(50, 0)),
        "timestamp_us": pyarrow.array(some(when), pyarrow.timestamp("us", "UTC")),
        "timestamp_ns": pyarrow.array(some(lambda i: i * 10**9 + 7), pyarrow.timestamp("ns", "Europe/Berlin")),
        "timestamp_s": pyarrow.array(some(lambda i: i), pyarrow.timestamp("s")),
        "date": pyarrow.array(some(lambda i: when(i).date()), pyarrow.date32()),
        "time": pyarrow.array(some(lambda i: i), pyarrow.time64("us")),
        "duration": pyarrow.array(some(lambda i: i), pyarrow.duration("ms")),
        "large_string": pyarrow.array(some(lambda i: "ä" * (i % 50)), pyarrow.large_string()),
        "binary": pyarrow.array(some(lambda i: bytes([i % 256]) * (i % 9)), pyarrow.binary()),
        "fixed_binary": pyarrow.array(some(lambda i: i.to_bytes(16, "big")), pyarrow.binary(16)),
        "category": pyarrow.array(some(lambda i: f"c{i % 7}")).dictionary_encode(),
        "boolean": pyarrow.array(some(lambda i: i % 3 == 0)),
        "int8": pyarrow.array(some(lambda i: i % 100), pyarrow.int8()),
        "uint64": pyarrow.array(some(lambda i: 2**64 - 1 - i), pyarrow.uint64()),
        "half": pyarrow.array(rng.normal(size=rows).astype(numpy.float16)),
        "double": pyarrow.array([float("nan") if i % 11 == 0 else i / 3 for i in range(rows)]),
        "struct": pyarrow.array(some(lambda i: {"a": i, "b": ["x"] * (i % 3)}), struct),
        "structs": pyarrow.array(some(lambda i: [{"a": i, "b": None}] * (i % 4)), pyarrow.list_(struct)),
        "map": pyarrow.array(some(lambda i: [("k", i)]), pyarrow.map_(pyarrow.string(), pyarrow.int64())),
        "nothing": pyarrow.nulls(rows),
        "name with. dots": pyarrow.array(some(str)),
    })
    return pyarrow.table(arrays)


def described(table):
    """The table with the metadata that data frames and data sets carry."""
    features = {name: {"dtype": str(kind), "_type": "Value"} for name, kind in zip(table.schema.names, table.schema.types)}
    table = table.set_column(0, table.schema.field(0).with_metadata({"comment": "row number"}), table.column(0))
    return table.replace_schema_metadata({
        "huggingface": json.dumps({"info": {"features": features}}),
        "owner": "tests",
        "empty": "",
    })


def bad_rows():
    """Rows that cannot be computed, one of each kind among good ones."""
    good = [float(i) for i in range(DIM)]
    x1 = [good, None, good[:-1], good, [float("nan")] + good[1:], [None] + good[1:], good, good, []]
    x2 = [good, good, good, None, good, good, good[1:] + [float("inf")], good, good]
    label = [0, 1, 2, 3, 0, 1, 2, None, 99]
    return pyarrow.table({
        "id": pyarrow.array(range(9)),
        "x1": pyarrow.array(x1, pyarrow.list_(pyarrow.float32())),
        "x2": pyarrow.array(x2, pyarrow.list_(pyarrow.float32())),
        "label": pyarrow.array(label, pyarrow.int64()),
    })


def from_pyarrow(folder):
    write = lambda table, name, **options: pyarrow.parquet.write_table(table, folder / f"pyarrow_{name}.parquet", **options)
    plain = pyarrow.table(samples(3000))
    for codec in ["none", "snappy", "zstd", "lz4", "gzip", "brotli"]:
        for version in ["1.0", "2.0"]:
            for index in [False, True]:
                name = f"{codec}_v{version[0]}{'_index' if index else ''}"
                write(plain, name, compression=codec, data_page_version=version, write_page_index=index,
                      row_group_size=1000, data_page_size=4000)
    write(plain, "default")
    write(plain, "no_dictionary", use_dictionary=False)
    write(plain, "byte_stream_split", use_dictionary=False, use_byte_stream_split=["x1.list.element", "x2.list.element"])
    write(plain, "no_arrow_schema", store_schema=False)
    write(plain, "no_statistics", write_statistics=False)
    write(plain, "checksums", write_page_checksum=True)
    write(plain, "format_1", version="1.0")
    write(plain, "legacy_lists", use_compliant_nested_type=False)
    write(plain, "size_statistics", write_page_index=True, row_group_size=700)
    write(plain.sort_by("label"), "sorted", row_group_size=1000,
          sorting_columns=[pyarrow.parquet.SortingColumn(3), pyarrow.parquet.SortingColumn(0, descending=True)])
    write(rich(1500), "rich", row_group_size=400)
    write(rich(1500), "rich_v2_index", data_page_version="2.0", write_page_index=True, compression="zstd", row_group_size=400)
    write(described(plain), "described", row_group_size=1000)
    write(plain.slice(0, 0), "zero_rows")
    write(plain.slice(0, 1), "one_row")
    with pyarrow.parquet.ParquetWriter(folder / "pyarrow_zero_row_groups.parquet", plain.schema):
        pass
    with pyarrow.parquet.ParquetWriter(folder / "pyarrow_empty_row_groups.parquet", plain.schema) as writer:
        for start, rows in [(0, 0), (0, 10), (10, 0), (10, 90), (100, 0)]:
            writer.write_table(plain.slice(start, rows))
    write(pyarrow.table(samples(4000)), "2000_row_groups", row_group_size=2)
    write(pyarrow.table(samples(200_000)), "one_row_group", row_group_size=200_000)
    for layout in ["list", "large"]:
        for item in [pyarrow.float16(), pyarrow.float32(), pyarrow.float64()]:
            write(pyarrow.table(samples(500, layout, item)), f"{layout}_{item}")
    write(bad_rows(), "bad_rows")
    frame = plain.slice(0, 50).to_pandas().set_index("id")
    frame.to_parquet(folder / "pandas_index.parquet")


def from_polars(folder):
    table = polars.from_arrow(pyarrow.table(samples(3000)))
    for codec in ["uncompressed", "zstd", "lz4", "snappy"]:
        table.write_parquet(folder / f"polars_{codec}.parquet", compression=codec, row_group_size=1000)
    table.write_parquet(folder / "polars_small_pages.parquet", data_page_size=4096)
    nested = table.with_columns(pair=polars.struct("id", "label"), words=polars.format("w{}", "id").cast(polars.Categorical))
    nested.write_parquet(folder / "polars_nested.parquet")


def from_duckdb(folder):
    table = pyarrow.table(samples(5000, "list"))
    fixed = pyarrow.table(samples(5000, "fixed"))
    connection = duckdb.connect()
    connection.register("input_lists", table)
    connection.register("input_fixed", fixed)
    # DuckDB writes row groups of a multiple of 2 048 rows.
    for name, source, options in [
        ("default", "input_lists", ""),
        ("fixed", "input_fixed", ""),
        ("zstd", "input_lists", ", COMPRESSION zstd, ROW_GROUP_SIZE 2048"),
        ("none", "input_fixed", ", COMPRESSION uncompressed, ROW_GROUP_SIZE 2048"),
        ("v2", "input_lists", ", PARQUET_VERSION v2, ROW_GROUP_SIZE 2048"),
        ("key_values", "input_lists", ", KV_METADATA {owner: 'tests'}"),
    ]:
        # Integers with few distinct values get a dictionary, and with it a bloom filter.
        query = f"SELECT *, (id % 50)::INTEGER AS few, {{'a': id, 'b': [label]}} AS nested FROM {source}"
        path = folder / f"duckdb_{name}.parquet"
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet{options})")


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    from_pyarrow(folder)
    from_polars(folder)
    from_duckdb(folder)


if __name__ == "__main__":
    main()
