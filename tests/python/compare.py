"""Tells whether a Parquet file is another one with columns appended, and nothing else.

    python compare.py IN OUT [--new r,u1,u2,s] [--bundle DIR]

Reads both with pyarrow, DuckDB and polars, and compares footers and the bytes of
the old column chunks. With a bundle, also evaluates its models in numpy (onnx.reference)
on the first rows and compares r, u1, u2 and s with what the paper's formulas give.
Prints what differs, one a line, and exits 1 if anything does.
"""

import argparse
import json
import pathlib
import sys

import duckdb
import numpy
import polars
import pyarrow
import pyarrow.parquet

EXTENDED_KEYS = {b"ARROW:schema", b"huggingface"}
ROLES = ["density_1", "density_2", "classifier_1", "classifier_2", "classifier_12"]


class Differences:
    def __init__(self):
        self.lines = []

    def check(self, same, what, old=None, new=None):
        if not same:
            self.lines.append(f"{what}: {old!r} became {new!r}" if old is not None or new is not None else what)

    def equal(self, what, old, new):
        self.check(old == new, what, old, new)


def start(chunk):
    dictionary = chunk.dictionary_page_offset
    return dictionary if dictionary else chunk.data_page_offset


def statistics(chunk):
    if not chunk.is_stats_set:
        return None
    found = chunk.statistics.to_dict()
    # NaN is no equal of itself.
    return {key: repr(value) for key, value in found.items()}


def bloom_filter(file, chunk):
    """The filter's last block; before the blocks is a header, in which writers may differ."""
    if chunk.bloom_filter_offset is None:
        return None
    file.seek(chunk.bloom_filter_offset)
    return file.read(chunk.bloom_filter_length)[-32:]


def compare_footers(diff, source, output, new):
    old_meta, new_meta = source.metadata, output.metadata
    diff.equal("rows", old_meta.num_rows, new_meta.num_rows)
    diff.equal("row groups", old_meta.num_row_groups, new_meta.num_row_groups)
    diff.equal("created by", old_meta.created_by or None, new_meta.created_by if old_meta.created_by else None)
    diff.equal("format version", old_meta.format_version, new_meta.format_version)
    columns = old_meta.num_columns
    diff.equal("leaf columns", columns + len(new), new_meta.num_columns)
    for column in range(columns):
        before, after = source.schema.column(column), output.schema.column(column)
        diff.check(before.equals(after), f"Parquet column {before.path}", before, after)

    old_pairs, new_pairs = old_meta.metadata or {}, new_meta.metadata or {}
    for key, value in old_pairs.items():
        diff.check(key in new_pairs, f"key {key!r} is lost")
        if key not in EXTENDED_KEYS:
            diff.equal(f"key {key!r}", value, new_pairs.get(key))
    diff.equal("an Arrow schema", b"ARROW:schema" in old_pairs, b"ARROW:schema" in new_pairs)
    if b"huggingface" in old_pairs:
        features = [list(json.loads(pairs[b"huggingface"])["info"]["features"]) for pairs in (old_pairs, new_pairs)]
        diff.equal("Hugging Face features", features[0] + new, features[1])


def compare_schemas(diff, source, output, new):
    before, after = source.schema_arrow, output.schema_arrow
    diff.equal("column names", before.names + new, after.names)
    for index in range(len(before)):
        same = before.field(index).equals(after.field(index), check_metadata=True)
        diff.check(same, f"Arrow field {before.names[index]}", before.field(index), after.field(index))
    for name in new:
        diff.equal(f"type of {name}", pyarrow.float32(), after.field(name).type)
        diff.check(after.field(name).nullable, f"{name} is not nullable")


def compare_chunks(diff, paths, source, output):
    old_file, new_file = (open(path, "rb") for path in paths)
    for group in range(min(source.metadata.num_row_groups, output.metadata.num_row_groups)):
        before, after = source.metadata.row_group(group), output.metadata.row_group(group)
        diff.equal(f"row group {group}: rows", before.num_rows, after.num_rows)
        diff.equal(f"row group {group}: sorting", before.sorting_columns, after.sorting_columns)
        for column in range(before.num_columns):
            old, new = before.column(column), after.column(column)
            where = f"row group {group}, {old.path_in_schema}"
            for field in ["path_in_schema", "physical_type", "num_values", "compression",
                          "total_compressed_size", "total_uncompressed_size", "has_dictionary_page",
                          "has_column_index", "has_offset_index", "is_stats_set"]:
                diff.equal(f"{where}: {field}", getattr(old, field), getattr(new, field))
            # The order of the encodings means nothing.
            diff.equal(f"{where}: encodings", sorted(old.encodings), sorted(new.encodings))
            diff.equal(f"{where}: statistics", statistics(old), statistics(new))
            bytes_of = []
            for file, chunk in [(old_file, old), (new_file, new)]:
                file.seek(start(chunk))
                bytes_of.append(file.read(chunk.total_compressed_size))
            diff.check(bytes_of[0] == bytes_of[1], f"{where}: the bytes differ")
            filters = [bloom_filter(file, chunk) for file, chunk in [(old_file, old), (new_file, new)]]
            diff.check(filters[0] == filters[1], f"{where}: the bloom filters differ")


def compare_rows(diff, source, output, new):
    for group in range(source.metadata.num_row_groups):
        before, after = source.read_row_group(group), output.read_row_group(group)
        for name in before.column_names:
            # repr tells apart what equality does not: NaN from NaN no, null from NaN yes.
            same = before[name].equals(after[name]) or before[name].to_pylist().__repr__() == after[name].to_pylist().__repr__()
            diff.check(same, f"row group {group}: rows of {name} differ")
        for name in new:
            diff.equal(f"row group {group}: rows of {name}", before.num_rows, len(after[name]))


def compare_other_readers(diff, paths, new):
    """DuckDB and polars must read the output wherever they read the input."""
    for reader, read in [
        ("DuckDB", lambda path: duckdb.sql(f"SELECT * FROM '{path}'").to_arrow_table()),
        ("polars", lambda path: polars.read_parquet(path, use_pyarrow=False).to_arrow()),
        ("pandas", lambda path: pyarrow.Table.from_pandas(pyarrow.parquet.read_table(path).to_pandas())),
    ]:
        try:
            before = read(paths[0])
        except Exception as error:
            print(f"note: {reader} does not read {paths[0]}: {error}", file=sys.stderr)
            continue
        try:
            after = read(paths[1])
        except Exception as error:
            diff.check(False, f"{reader} does not read the output: {error}")
            continue
        for name in before.column_names:
            same = before[name].equals(after[name]) or repr(before[name].to_pylist()) == repr(after[name].to_pylist())
            diff.check(same, f"{reader}: {name} differs")
        diff.check(set(new) <= set(after.column_names), f"{reader}: new columns are missing", new, after.column_names)


def compare_values(diff, output, bundle, most_rows=400):
    """r, u1, u2 and s of the first rows, from the models evaluated in numpy."""
    from onnx.reference import ReferenceEvaluator

    manifest = json.loads((bundle / "bundle.json").read_text())
    run = {name: ReferenceEvaluator(str(bundle / f"{name}.onnx")) for name in ROLES}
    classes, prior = manifest["label"]["classes"], numpy.log(manifest["label"]["prior"])
    dims = [modality["dim"] for modality in manifest["modalities"]]
    rows = output.read(columns=["x1", "x2", "label", "r", "u1", "u2", "s"]).slice(0, most_rows).to_pylist()

    def good(row):
        fits = all(row[x] is not None and len(row[x]) == dim for x, dim in zip(["x1", "x2"], dims))
        whole = fits and all(v is not None and numpy.isfinite(v) for x in ["x1", "x2"] for v in row[x])
        return whole and row["label"] in classes

    for index, row in enumerate(rows):
        diff.equal(f"row {index}: values", good(row), row["r"] is not None)
    rows = [row for row in rows if good(row)]
    if not rows:
        return
    x1, x2 = (numpy.array([row[x] for row in rows], numpy.float32) for x in ["x1", "x2"])
    y = numpy.array([classes.index(row["label"]) for row in rows])
    h1, h2 = (run[f"density_{m}"].run(None, {"x": x})[0].astype(float) for m, x in [(1, x1), (2, x2)])
    inputs = {"classifier_1": {"x": x1}, "classifier_2": {"x": x2}, "classifier_12": {"x1": x1, "x2": x2}}
    i1, i2, i12 = (
        run[name].run(None, x)[0].astype(float)[numpy.arange(len(y)), y] - prior[y] for name, x in inputs.items()
    )
    r = numpy.minimum(h1, h2) - numpy.minimum(h1 - i1, h2 - i2)
    expected = {"r": r, "u1": i1 - r, "u2": i2 - r, "s": i12 - i1 - i2 + r}
    for name, values in expected.items():
        worst = numpy.abs(numpy.array([row[name] for row in rows]) - values).max()
        diff.check(worst < 2e-4, f"{name} is off by {worst} from numpy")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs=2)
    parser.add_argument("--new", default="r,u1,u2,s")
    parser.add_argument("--bundle", type=pathlib.Path)
    arguments = parser.parse_args()
    paths, new = arguments.paths, arguments.new.split(",")
    diff = Differences()
    source, output = (pyarrow.parquet.ParquetFile(path) for path in paths)
    compare_footers(diff, source, output, new)
    compare_schemas(diff, source, output, new)
    compare_chunks(diff, paths, source, output)
    compare_rows(diff, source, output, new)
    compare_other_readers(diff, paths, new)
    if arguments.bundle:
        compare_values(diff, output, arguments.bundle)
    for line in diff.lines:
        print(line)
    sys.exit(1 if diff.lines else 0)


if __name__ == "__main__":
    main()
