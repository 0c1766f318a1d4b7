"""Writes Parquet files whose pages have checksums, and where their pages lie.

    python page_checksums.py DIR

Every file NAME.parquet holds x1 and x2 (embeddings of 8 floats), label (integers below 4) and
more columns; NAME.json lists its pages: row group, column (a path where it is nested), number
(none for a dictionary page), and the bytes of the header and of the body from start to end.
"""

import json
import pathlib
import sys

import numpy
import pyarrow
import pyarrow.parquet

from make_files import samples

ROWS = 300


class Compact:
    """A reader of Thrift's compact protocol."""

    def __init__(self, data, at):
        self.data, self.at = data, at

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def integer(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def struct(self):
        fields, number = {}, 0
        while True:
            head = self.byte()
            kind = head & 15
            if kind == 0:
                return fields
            number = number + (head >> 4) if head >> 4 else self.integer()
            if kind in (1, 2):
                fields[number] = kind == 1
            elif kind in (4, 5, 6):
                fields[number] = self.integer()
            elif kind == 8:
                length = self.varint()
                self.at += length
            elif kind == 12:
                fields[number] = self.struct()
            else:
                raise ValueError(f"type {kind} in a page header")


def pages(path):
    data, metadata = path.read_bytes(), pyarrow.parquet.ParquetFile(path).metadata
    roots = [metadata.schema.column(i).path.split(".")[0] for i in range(metadata.num_columns)]
    for group in range(metadata.num_row_groups):
        for index, root in enumerate(roots):
            chunk = metadata.row_group(group).column(index)
            column = chunk.path_in_schema if roots.count(root) > 1 else root
            at = chunk.dictionary_page_offset or chunk.data_page_offset
            end, number = at + chunk.total_compressed_size, 0
            while at < end:
                reader = Compact(data, at)
                header = reader.struct()
                assert 4 in header, "a page without a checksum"
                is_data = header[1] in (0, 3)
                yield {
                    "row_group": group,
                    "column": column,
                    "number": number if is_data else None,
                    "header": [at, reader.at],
                    "body": [reader.at, reader.at + header[3]],
                }
                at, number = reader.at + header[3], number + is_data


def table(layout):
    words = [f"w{i % 40}" if i % 7 else None for i in range(ROWS)]
    lists = [[[i, j] for j in range(i % 4)] if i % 5 else None for i in range(ROWS)]
    structs = [{"a": i, "b": ["x"] * (i % 3)} if i % 6 else None for i in range(ROWS)]
    columns = {
        **samples(ROWS, layout),
        "word": pyarrow.array(words),
        "text": pyarrow.array([f"text {i * 7919 % 1000}" for i in range(ROWS)]),
        "lists": pyarrow.array(lists, pyarrow.list_(pyarrow.list_(pyarrow.int32()))),
        "structs": pyarrow.array(structs),
        "half": pyarrow.array(numpy.arange(ROWS, dtype=numpy.float16)),
        "flag": pyarrow.array([i % 3 == 0 for i in range(ROWS)]),
    }
    return pyarrow.table(columns)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for codec in ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]:
        for version in ["1.0", "2.0"]:
            # pyarrow writes a page index with either.
            index = (codec in ["none", "zstd"]) == (version == "2.0")
            path = folder / f"{codec}_v{version[0]}{'_index' if index else ''}.parquet"
            pyarrow.parquet.write_table(
                table("list" if version == "1.0" else "fixed"), path, compression=codec, data_page_version=version,
                write_page_checksum=True, write_page_index=index, use_dictionary=["word", "label"],
                row_group_size=150, data_page_size=1500, max_rows_per_page=60)
    # Column chunks that are spliced past the program's memory where they have no checksums, in
    # pages of which only the levels are read.
    rows = 70_000
    random = numpy.random.default_rng(4).bytes(rows * 40)
    copied = pyarrow.array([random[i * 40:i * 40 + 40] for i in range(rows)])
    large = {**samples(rows, "fixed"), "copied": copied}
    pyarrow.parquet.write_table(
        pyarrow.table(large), folder / "large.parquet", compression="none", use_dictionary=False,
        write_page_checksum=True, row_group_size=rows // 2, data_page_size=200_000)
    for path in folder.glob("*.parquet"):
        path.with_suffix(".json").write_text(json.dumps(list(pages(path))))


if __name__ == "__main__":
    main()
