"""Arrow IPC streams for annotate, and what has become of them.

    python streams.py make DIR
    python streams.py compare BEFORE AFTER ANNOTATED.parquet

`make` writes DIR/NAME.arrows, and the same rows as DIR/NAME.parquet with one row group for
each batch. `compare` checks a stream AFTER against the rows BEFORE (a stream, or a Parquet
file whose row groups are its batches) and against the file that the same rows have
become: every batch as long as it was, every old column and all metadata as they were, and the
new columns equal bit for bit. Needs the packages of requirements.txt.
"""

import io
import pathlib
import sys

import numpy
import pandas
import polars
import pyarrow
import pyarrow.ipc
import pyarrow.parquet

from make_files import bad_rows, described, rich, samples

NEW = ["r", "u1", "u2", "s"]


def write(folder, name, batches, schema=None, **options):
    """A stream of these batches, and a file of them."""
    schema = schema or batches[0].schema
    options = pyarrow.ipc.IpcWriteOptions(**options)
    with pyarrow.ipc.new_stream(str(folder / f"{name}.arrows"), schema, options=options) as stream:
        for batch in batches:
            stream.write_batch(batch)
    with pyarrow.parquet.ParquetWriter(folder / f"{name}.parquet", schema) as file:
        for batch in batches:
            if batch.num_rows > 0:
                file.write_table(pyarrow.Table.from_batches([batch]), row_group_size=batch.num_rows)


def cut(table, rows):
    return table.combine_chunks().to_batches(max_chunksize=rows)


def dictionaries(table, grow):
    """Batches whose labels are dictionary-encoded, each with a dictionary of its own."""
    batches, known = [], []
    for batch in cut(table.sort_by("label"), 700):
        labels = batch.column("label").to_pylist()
        known = (known if grow else []) + sorted(set(labels) - set(known if grow else []), reverse=True)
        codes = pyarrow.array([known.index(label) for label in labels], pyarrow.int8())
        column = pyarrow.DictionaryArray.from_arrays(codes, pyarrow.array(known, pyarrow.int64()))
        batches.append(batch.set_column(batch.schema.get_field_index("label"), "label", column))
    return batches


def make(folder):
    plain = pyarrow.table(samples(3000))
    write(folder, "plain", cut(plain, 1000))
    for codec in ["lz4", "zstd"]:
        write(folder, codec, cut(plain, 1000), compression=codec)
    write(folder, "rich", cut(described(rich(1500)), 400))
    write(folder, "own_dictionaries", dictionaries(plain, grow=False))
    write(folder, "growing_dictionaries", dictionaries(plain, grow=True), emit_dictionary_deltas=True)
    for layout in ["list", "large"]:
        for item in [pyarrow.float16(), pyarrow.float64()]:
            write(folder, f"{layout}_{item}", cut(pyarrow.table(samples(500, layout, item)), 123))
    # Not cut from whole arrays again: offsets stay in them.
    write(folder, "sliced", [plain.combine_chunks().to_batches()[0].slice(start, 333) for start in [7, 1900, 340]])
    empty = plain.schema.empty_table().to_batches() or [pyarrow.RecordBatch.from_pylist([], plain.schema)]
    write(folder, "empty_batches", [*empty, *cut(plain.slice(0, 10), 4), *empty, *empty, *cut(plain.slice(10, 1), 1), *empty])
    write(folder, "no_batches", [], plain.schema)
    write(folder, "bad", cut(bad_rows(), 4))
    write(folder, "long", cut(pyarrow.table(samples(30_000)), 30_000))
    write(folder, "many_short", cut(pyarrow.table(samples(2000)), 3))
    frame = pandas.DataFrame({"id": range(200), "label": numpy.arange(200) % 4}, index=[f"row {i}" for i in range(200)])
    rng = numpy.random.default_rng(5)
    for x in ["x1", "x2"]:
        frame[x] = list(rng.normal(size=(200, 8)).astype(numpy.float32))
    write(folder, "pandas", cut(pyarrow.Table.from_pandas(frame), 200))
    # The last writer is another: its stream is of its own bytes.
    frame = polars.from_arrow(pyarrow.table(samples(400))).with_columns(category=polars.lit("c").cast(polars.Categorical))
    frame.write_ipc_stream(folder / "polars.arrows")
    frame.write_parquet(folder / "polars.parquet")


def batches_of(path):
    if path.endswith(".parquet"):
        file = pyarrow.parquet.ParquetFile(path)
        groups = [file.read_row_group(group).combine_chunks().to_batches() for group in range(file.num_row_groups)]
        return file.schema_arrow, [batch for group in groups for batch in group]
    with pyarrow.ipc.open_stream(io.BytesIO(pathlib.Path(path).read_bytes())) as stream:
        return stream.schema, list(stream)


def same(before, after):
    """Whether two arrays are equal; NaN is equal to itself."""
    if pyarrow.types.is_floating(before.type):
        bits = lambda array: array.fill_null(0).to_numpy(zero_copy_only=False).tobytes()
        return before.is_null().equals(after.is_null()) and bits(before) == bits(after)
    # NaN deep inside, and maps whose entries have another name in Parquet.
    return before.equals(after) or repr(before.to_pylist()) == repr(after.to_pylist())


def compare(before, after, annotated):
    old_schema, old = batches_of(before)
    new_schema, new = batches_of(after)
    file = pyarrow.parquet.read_table(annotated)
    columns = len(old_schema)
    assert new_schema.names == old_schema.names + NEW, new_schema.names
    for place in range(columns):
        fields = old_schema.field(place), new_schema.field(place)
        same_type = pyarrow.types.is_map(fields[0].type) or fields[0].equals(fields[1])
        assert same_type and (fields[0].metadata or {}) == (fields[1].metadata or {}), fields
    for name in NEW:
        assert new_schema.field(name).equals(file.schema.field(name), check_metadata=True), name
    metadata = new_schema.metadata
    for key, value in (old_schema.metadata or {}).items():
        assert key == b"huggingface" or metadata[key] == value, key
    for key in ["version", "bundle_sha256", "engine", "units", "input", "adjust"]:
        assert f"lsmi_etl.{key}".encode() in metadata, key

    assert [batch.num_rows for batch in old] == [batch.num_rows for batch in new]
    first = 0
    for number, (source, batch) in enumerate(zip(old, new)):
        batch.validate(full=True)
        for place in range(columns):
            assert same(source.column(place), batch.column(place)), (number, old_schema.names[place])
        there = file.slice(first, batch.num_rows)
        for name in NEW:
            expected = there.column(name).combine_chunks()
            expected = expected.chunk(0) if isinstance(expected, pyarrow.ChunkedArray) and expected.num_chunks else expected
            assert len(expected) == batch.num_rows
            if batch.num_rows > 0:
                assert same(expected, batch.column(name)), (number, name)
        first += batch.num_rows
    assert first == file.num_rows


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(pathlib.Path(sys.argv[2]))
    else:
        compare(*sys.argv[2:])
