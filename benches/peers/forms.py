"""Writes one table in the forms in which people store embeddings, each by the writer that does.

    python forms.py IN.parquet FOLDER

IN has fixed-size lists of f32 in x1 and x2, and the label y.
"""

import argparse
import pathlib

import duckdb
import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as pq

EMBEDDINGS = ["x1", "x2"]
LEAVES = ["x1.list.element", "x2.list.element"]


def lists(table, of):
    """The embeddings as lists of any length with elements of a type."""
    for name in EMBEDDINGS:
        column = table[name].combine_chunks()
        values = column.flatten()
        if of == pa.float16():
            values = pa.array(values.to_numpy().astype(np.float16))
        offsets = np.arange(len(column) + 1, dtype=np.int32) * column.type.list_size
        array = pa.ListArray.from_arrays(pa.array(offsets), values.cast(of))
        table = table.set_column(table.column_names.index(name), name, array)
    return table


def with_nulls(table):
    """The embeddings as lists of which one of a hundred is null, in each column others."""
    for number, name in enumerate(EMBEDDINGS):
        column = table[name].combine_chunks()
        nulls = pa.array(np.arange(len(column)) % 100 == 7 + number)
        array = pa.ListArray.from_arrays(column.offsets, column.values, mask=nulls)
        table = table.set_column(table.column_names.index(name), name, array)
    return table


def quantised(table):
    """Embeddings of 255 values, as after quantisation to eight bits."""
    for name in EMBEDDINGS:
        column = table[name].combine_chunks()
        values = column.flatten().to_numpy()
        step = np.float32(np.abs(values).max() / 127)
        values = pa.array(np.round(values / step).astype(np.float32) * step)
        array = pa.FixedSizeListArray.from_arrays(values, column.type.list_size)
        table = table.set_column(table.column_names.index(name), name, array)
    return table


def binary(table):
    """The embeddings as the bytes of a row."""
    for name in EMBEDDINGS:
        column = table[name].combine_chunks()
        width = column.type.list_size * 4
        array = pa.Array.from_buffers(pa.binary(width), len(column), [None, column.flatten().buffers()[1]])
        table = table.set_column(table.column_names.index(name), name, array)
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input")
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    table = pq.read_table(args.input)
    single = lists(table, pa.float32())
    double = lists(table, pa.float64())

    def write(name, table, **options):
        pq.write_table(table, args.folder / f"{name}.parquet", **options)

    write("list-f32-snappy", single)
    write("list-f32-zstd", single, compression="zstd")
    write("list-f32-gzip", single, compression="gzip")
    write("list-f32-lz4", single, compression="lz4")
    write("list-f32-brotli", single, compression="brotli")
    write("list-f16-zstd", lists(table, pa.float16()), compression="zstd")
    plain = {"use_dictionary": False, "compression": "zstd"}
    write("list-f32-split-zstd", single, use_byte_stream_split=LEAVES, **plain)
    write("list-f64-split-zstd", double, use_byte_stream_split=LEAVES, **plain)
    dictionary = {"use_dictionary": EMBEDDINGS + LEAVES, "dictionary_pagesize_limit": 1 << 20}
    write("list-f32-dictionary-snappy", lists(quantised(table), pa.float32()), **dictionary)
    write("list-f64-snappy", double)
    write("binary-f32-snappy", binary(table), use_dictionary=False)
    delta = {"use_dictionary": False, "column_encoding": {"y": "DELTA_BINARY_PACKED"}}
    write("list-f32-snappy-delta-labels", single, data_page_version="2.0", **delta)
    write("list-f32-nulls-snappy", with_nulls(single))
    polars.from_arrow(single).write_parquet(args.folder / "polars.parquet")
    duckdb.sql("SET enable_progress_bar = false")
    duckdb.sql(f"COPY single TO '{args.folder / 'duckdb.parquet'}'")


if __name__ == "__main__":
    main()
