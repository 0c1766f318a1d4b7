"""What the tests of the Python package do with an Annotator; each function of a name on the command line is one
test. `python annotator.py TEST ROWS.parquet ANNOTATED.parquet BUNDLE`: the rows, what `annotate` has made of them, and
the bundle."""

import contextlib
import gc
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest.mock
import weakref

import lsmi_etl
import lsmi_etl.daft
import lsmi_etl.datasets
import lsmi_etl.duckdb
import lsmi_etl.polars
import lsmi_etl.ray
import lsmi_etl.spark
import pyarrow as pa
import pyarrow.parquet as pq
from lsmi_etl import Annotator, errors


TEST, INPUT, ANNOTATED, BUNDLE = sys.argv[1:5]
NEW = ["r", "u1", "u2", "s"]


def rows():
    return pq.read_table(INPUT).combine_chunks().to_batches()[0]


def expected():
    return pq.read_table(ANNOTATED).combine_chunks()


def must_be_annotated(out, first=0, count=None):
    """Rows of an output are those of the file: the input's columns as they were, the new ones bit for bit."""
    out = pa.Table.from_batches([out]) if isinstance(out, pa.RecordBatch) else out
    count = out.num_rows if count is None else count
    assert out.num_rows == count, (out.num_rows, count)
    truth = expected().slice(first, count)
    assert out.column_names[-4:] == NEW, out.column_names
    for name in truth.column_names:
        assert same(out.column(name), truth.column(name)), name


def same(ours, theirs):
    ours, theirs = (pa.concat_arrays(a.chunks) if a.num_chunks else pa.array([], a.type) for a in (ours, theirs))
    if pa.types.is_floating(ours.type):
        # Bit for bit, NaN and −0.0 too.
        ours, theirs = (pa.array(a.fill_null(-1).to_numpy().view("int32")) for a in (ours, theirs))
    return ours.equals(theirs)


@contextlib.contextmanager
def raises(kind, *words):
    try:
        yield
    except kind as error:
        for word in words:
            assert word in str(error), (word, str(error))
    else:
        raise AssertionError(f"no {kind.__name__}")


def running():
    """The number of this process' threads that annotate, once none of them has just begun or is about to end."""
    before, now = -1, _running()
    while now != before:
        time.sleep(0.05)
        before, now = now, _running()
    return now


def _running():
    count = 0
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/self/task/{thread}/comm") as name:
            count += name.read().startswith("lsmi-etl")
    return count


def batches():
    batch = rows()
    with Annotator(BUNDLE) as annotate:
        must_be_annotated(annotate(batch), 0, batch.num_rows)
        for first, count in [(0, 1), (1, 1), (7, 2), (10, 3), (100, 63), (100, 64), (33, 257), (5, 1000), (9, 0)]:
            out = annotate(batch.slice(first, count))
            assert isinstance(out, pa.RecordBatch)
            must_be_annotated(out, first, count)
        assert running()
    assert not running()
    with raises(errors.Usage, "closed"):
        annotate(batch)


def tables():
    batch = rows()
    uneven = [batch.slice(0, 1), batch.slice(1, 0), batch.slice(1, 800), batch.slice(801)]
    table = pa.Table.from_batches(uneven)
    # Chunks that lie otherwise in every column.
    label = pa.chunked_array([batch.column("y").slice(0, 500), batch.column("y").slice(500)])
    crossed = table.set_column(table.schema.get_field_index("y"), table.schema.field("y"), label)
    with Annotator(BUNDLE) as annotate:
        for data in (table, crossed):
            out = annotate(data)
            assert isinstance(out, pa.Table)
            must_be_annotated(out)
        assert annotate(table).column("x1").num_chunks == table.column("x1").num_chunks
        empty = annotate(batch.schema.empty_table())
        assert empty.num_rows == 0 and empty.column_names[-4:] == NEW
        assert empty.schema.equals(annotate.schema(batch.schema), check_metadata=True)


def streams():
    batch = rows()
    lengths = [0, 1, 0, 1000, 3, 400, 0]
    with Annotator(BUNDLE) as annotate:
        annotate(batch)
        of_one = running()
        for way in (annotate, annotate.stream):
            cut, first = [], 0
            for length in lengths:
                cut.append(batch.slice(first, length))
                first += length
            out = way(pa.RecordBatchReader.from_batches(batch.schema, iter(cut)))
            assert isinstance(out, pa.RecordBatchReader)
            out = list(out)
            assert [one.num_rows for one in out] == lengths
            must_be_annotated(pa.Table.from_batches(out), 0, first)
            assert list(way(pa.RecordBatchReader.from_batches(batch.schema, iter([])))) == []
        # A call while a stream is half read, and a stream that is not read to its end.
        half = annotate.stream(pa.RecordBatchReader.from_batches(batch.schema, iter([batch.slice(0, 10)] * 50)))
        must_be_annotated(half.read_next_batch(), 0, 10)
        must_be_annotated(annotate(batch.slice(4, 9)), 4, 9)
        must_be_annotated(half.read_next_batch(), 0, 10)
        assert running() == 2 * of_one
        del half
        gc.collect()
        assert running() == of_one, running()

        def broken():
            yield batch.slice(0, 10)
            raise KeyError("of the source")

        with raises(KeyError, "of the source"):
            annotate.stream(pa.RecordBatchReader.from_batches(batch.schema, broken())).read_all()
    assert not running()


def data_frames():
    import duckdb
    import pandas
    import polars

    table = pq.read_table(INPUT)
    with Annotator(BUNDLE) as annotate:
        must_be_annotated(
            annotate(polars.from_arrow(table)).select([*table.column_names, *NEW]).cast(expected().schema)
        )
        out = annotate(duckdb.sql(f"from '{INPUT}'"))
        must_be_annotated(out.cast(expected().schema))
        frame = pandas.DataFrame({name: table.column(name).to_pylist() for name in table.column_names})
        out = annotate(frame)
        for name in NEW:
            assert same(out.column(name), expected().column(name)), name
        # The pandas metadata name the number of rows, which needs no other program.
        annotate(frame[:10]), annotate(frame[:11])
        assert list(annotate(frame[5:9]).to_pandas().columns) == [*frame.columns, *NEW]
        assert same(annotate.stream(frame).read_all().column("r"), expected().column("r"))
        for way in (annotate, annotate.stream):
            for data in ([1, 2, 3], None):
                with raises(errors.Usage, "pyarrow.table"):
                    way(data)
            with raises(errors.Usage, "collect it"):
                way(polars.LazyFrame({"a": [1]}))


def types():
    """Columns in the forms that engines give them, and columns that the models do not read."""
    batch = rows()
    x1, x2, y = (batch.column(name) for name in ("x1", "x2", "y"))
    dim = len(x1[0])
    numbers = pa.array(range(batch.num_rows))
    extra = {
        "dictionary": pa.array([f"v{n % 7}" for n in range(batch.num_rows)]).dictionary_encode(),
        "nested": pa.array([{"a": [n, None], "b": {"c": str(n)}} for n in range(batch.num_rows)]),
        "view": pa.array(
            [f"a string that is too long to be inlined, {n}" for n in range(batch.num_rows)], pa.string_view()
        ),
        "nothing": pa.nulls(batch.num_rows),
        "uuid": pa.ExtensionArray.from_storage(
            pa.uuid(), pa.array([bytes([n % 256] * 16) for n in range(batch.num_rows)], pa.binary(16))
        ),
        "runs": pa.RunEndEncodedArray.from_arrays(pa.array([batch.num_rows], pa.int32()), pa.array([1.5])),
        "number": numbers,
    }
    flat = [column.flatten() for column in (x1, x2)]
    offsets = pa.array(range(0, dim * batch.num_rows + 1, dim))
    forms = {
        "fixed": [pa.FixedSizeListArray.from_arrays(values, dim) for values in flat],
        "list": [pa.ListArray.from_arrays(offsets.cast(pa.int32()), values) for values in flat],
        "large": [pa.LargeListArray.from_arrays(offsets.cast(pa.int64()), values) for values in flat],
        "tensor": [
            pa.FixedShapeTensorArray.from_storage(
                pa.fixed_shape_tensor(pa.float32(), [dim]), pa.FixedSizeListArray.from_arrays(values, dim)
            )
            for values in flat
        ],
    }
    labels = {"plain": y, "dictionary": y.dictionary_encode()}
    with Annotator(BUNDLE) as annotate:
        for form, (a, b) in forms.items():
            for kind, label in labels.items():
                data = pa.RecordBatch.from_pydict({"x1": a, **extra, "x2": b, "y": label})
                for first, count in ((0, batch.num_rows), (100, 37)):
                    out = annotate(data.slice(first, count))
                    for name in NEW:
                        assert same(
                            pa.chunked_array([out.column(name)]), expected().column(name).slice(first, count)
                        ), (form, kind)
                    for name in data.schema.names:
                        assert out.column(name).equals(data.column(name).slice(first, count)), name
        # Dictionaries that differ from batch to batch, and grow.
        cut = [batch.slice(0, 5), batch.slice(5, 100), batch.slice(105)]
        encoded = [
            pa.RecordBatch.from_pydict(
                {"x1": one.column("x1"), "x2": one.column("x2"), "y": one.column("y").dictionary_encode()}
            )
            for one in cut
        ]
        for way in (annotate, annotate.stream):
            out = way(pa.RecordBatchReader.from_batches(encoded[0].schema, iter(encoded))).read_all()
            for name in NEW:
                assert same(out.column(name), expected().column(name)), name


def schemas():
    batch = rows().replace_schema_metadata({"mine": "kept"})
    with Annotator(BUNDLE, columns=["i1", "i12"]) as annotate:
        schema = annotate.schema(batch.schema)
        assert schema.names == [*batch.schema.names, *NEW, "i1", "i12"]
        assert schema.metadata[b"mine"] == b"kept"
        assert schema.metadata[b"lsmi_etl.bundle_sha256"] and schema.metadata[b"lsmi_etl.engine"], schema.metadata
        assert schema.metadata[b"lsmi_etl.version"].decode() == lsmi_etl.__version__, schema.metadata
        assert schema.field("r").metadata, schema.field("r")
        assert annotate(batch.slice(0, 3)).schema.equals(schema, check_metadata=True)
        assert annotate(pa.Table.from_batches([batch])).schema.equals(schema, check_metadata=True)
        reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])
        assert annotate.stream(reader).schema.equals(schema, check_metadata=True)
        # It was not read at all.
        gc.collect()
        assert not running()


def cuts():
    """The rows that are bad are null wherever a chunk or batch begins, and a type of another length is refused."""
    lists = pa.list_(pa.float32())
    schema = pa.schema([("x1", lists), ("x2", lists), ("y", pa.string())])
    good = pa.Table.from_batches([rows()]).select(schema.names).slice(0, 50).cast(schema)
    short = pa.table({"x1": [[1.0, 2.0]], "x2": [[1.0, 2.0, 3.0, 4.0]], "y": ["1"]}, schema=schema)
    other = pa.table({"x1": [[1.0, 2.0, 3.0, 4.0]], "x2": [[1.0, 2.0, 3.0, 4.0]], "y": ["cat"]}, schema=schema)
    truth = expected().column("r").slice(0, 50)
    for parts in ([short, other, good], [other, short, good], [good, short, other], [short], [other]):
        whole = pa.concat_tables(parts)
        for table in (whole, whole.combine_chunks()):
            for way in (lambda t: annotate(t), lambda t: annotate.stream(t.to_reader()).read_all()):
                with Annotator(BUNDLE) as annotate:
                    r = way(table).column("r")
                    first = 50 if parts[0] is good else 0
                    assert r.slice(first, 2).null_count == min(2, len(r)) and r.null_count == r.slice(first, 2).null_count
                    if good in parts:
                        assert same(r.slice(0 if first else 2, 50), truth)
    with Annotator(BUNDLE) as annotate, raises(errors.BadData, "x1", "dimension 2", "take 4"):
        annotate(short.set_column(0, "x1", short.column("x1").cast(pa.list_(pa.float32(), 2))))


def engines():
    """Engines that keep their own columns, and the new ones of the Annotator, also where these replace some."""
    import duckdb
    import polars
    from datasets import Dataset

    table = pa.Table.from_batches([rows()])
    names = table.column_names
    old = pa.array([-99.0] * table.num_rows)
    # Some of the old columns lie before the others, and not all that are new were there.
    for before, behind in (["r"], []), ([], ["s", "r"]), ([], NEW), (NEW, []):
        earlier = pa.table({**dict.fromkeys(before, old), **dict(zip(names, table.columns)), **dict.fromkeys(behind, old)})
        relation = duckdb.from_arrow(earlier)
        outputs = {
            "polars": lsmi_etl.polars.annotate(polars.from_arrow(earlier).lazy(), BUNDLE, replace_columns=True).collect(),
            "ray": lsmi_etl.ray.AnnotateBatches(BUNDLE, replace_columns=True)(earlier),
            "duckdb": lsmi_etl.duckdb.annotate(relation, BUNDLE, replace_columns=True).to_arrow_table(),
            "datasets": lsmi_etl.datasets.AnnotateBatches(BUNDLE, replace_columns=True)(earlier),
        }
        for engine, out in outputs.items():
            out = pa.table(out)
            assert out.column_names == [*names, *NEW], (engine, out.column_names)
            must_be_annotated(out.cast(expected().schema))
        planned = lsmi_etl.polars.annotate(polars.from_arrow(earlier).lazy(), BUNDLE, replace_columns=True)
        assert planned.collect_schema().names() == [*names, *NEW]
        with raises(errors.Usage, "already"):
            lsmi_etl.ray.AnnotateBatches(BUNDLE)(earlier)
    empty = Dataset(table).select([])
    assert lsmi_etl.datasets.annotate(empty, BUNDLE).column_names == [*names, *NEW]


def keeping():
    """A process keeps the models of a bundle until another one lies there."""
    from lsmi_etl._kept import kept_annotator

    with tempfile.TemporaryDirectory() as folder:
        bundle = shutil.copytree(BUNDLE, os.path.join(folder, "bundle"))
        first = kept_annotator(bundle, {})
        must_be_annotated(first(rows()))
        assert kept_annotator(bundle, {}) is first and kept_annotator(bundle, {"workers": 1}) is not first
        shutil.rmtree(bundle)
        with raises(errors.BadBundle, bundle):
            kept_annotator(bundle, {})(rows())
        shutil.copytree(BUNDLE, bundle)
        second = kept_annotator(bundle, {})
        assert second is not first and kept_annotator(bundle, {}) is second
        must_be_annotated(second(rows()))
        # Another thread may have been given the first one just before.
        must_be_annotated(first(rows()))
        of_one = running() // 2
        del first
        gc.collect()
        assert running() == of_one, running()
        # Those used last are kept: the second is used between the others, and the first of these is not.
        unused = weakref.ref(kept_annotator(bundle, {"prefix": "unused_"}))
        for number in range(20):
            kept_annotator(bundle, {"prefix": f"p{number}_"})(rows())
            assert kept_annotator(bundle, {}) is second
        gc.collect()
        assert unused() is None and running() <= 8 * of_one, running()


def whole_runs():
    """Options of all rows together are refused where functions see single batches, and obeyed by streams."""
    import daft
    import duckdb
    import polars

    table, connection = pa.Table.from_batches([rows()]), duckdb.connect()
    engines = {
        "polars": lambda **options: lsmi_etl.polars.annotate(polars.from_arrow(table).lazy(), BUNDLE, **options),
        "ray": lambda **options: lsmi_etl.ray.AnnotateBatches(BUNDLE, **options),
        "daft": lambda **options: lsmi_etl.daft.annotate(daft.from_arrow(table), BUNDLE, **options),
        "datasets": lambda **options: lsmi_etl.datasets.AnnotateBatches(BUNDLE, **options),
        "duckdb": lambda **options: lsmi_etl.duckdb.register(connection, BUNDLE, **options),
    }
    for annotate in engines.values():
        for name, value in {"max_bad_rows": 0, "on_shift": "fail", "rejects": "r.parquet", "metrics": "m"}.items():
            with raises(errors.Usage, f"the option {name} ", "Annotator.stream"):
                annotate(**{name: value})
        for variable, value in {"MAX_BAD_ROWS": "5", "ON_SHIFT": "fail", "REJECTS": "r.parquet"}.items():
            with unittest.mock.patch.dict(os.environ, {f"LSMI_ETL_{variable}": value}):
                with raises(errors.Usage, f"the variable LSMI_ETL_{variable} ", "Annotator.stream"):
                    annotate()
        annotate(on_shift="warn", rejects=None)
    with Annotator(BUNDLE, rejects="r.parquet") as annotate, raises(errors.Usage, "rejects", "Annotator.stream"):
        annotate(table)
    for name in ("rejects", "metrics"):
        with raises(errors.Usage, f"the option {name} ", "many tasks"):
            lsmi_etl.spark.annotator(BUNDLE, **{name: "m"})
    assert not [name for name in os.listdir() if name.startswith(("r.parquet", "m"))]
    bad = table.set_column(table.schema.get_field_index("y"), "y", pa.nulls(len(table), table.schema.field("y").type))
    with raises(duckdb.Error, "are bad"):
        lsmi_etl.duckdb.annotate(duckdb.from_arrow(bad), BUNDLE, max_bad_rows="1%").to_arrow_table()


def replacing():
    """Columns of an earlier call make way, those of another prefix stay, and so does what the program has not written."""
    batch = rows()
    with Annotator(BUNDLE, columns=["i1"]) as annotate, Annotator(BUNDLE, prefix="b_") as prefixed:
        first = prefixed(annotate(batch))
    assert first.schema.names[-9:] == [*NEW, "i1", "b_r", "b_u1", "b_u2", "b_s"], first.schema.names
    with Annotator(BUNDLE, replace_columns=True) as annotate:
        for again in (
            annotate(first),
            annotate(pa.Table.from_batches([first])),
            annotate.stream(pa.RecordBatchReader.from_batches(first.schema, [first])).read_all(),
        ):
            assert again.schema.names[-8:] == ["b_r", "b_u1", "b_u2", "b_s", *NEW], again.schema.names
            must_be_annotated(again.select([*batch.schema.names, *NEW]))
            assert b"lsmi_etl.b_.bundle_sha256" in again.schema.metadata
        listed = json.dumps({"info": {"features": dict.fromkeys(first.schema.names, {"dtype": "x", "_type": "Value"})}})
        again = annotate(first.replace_schema_metadata({**first.schema.metadata, b"huggingface": listed}))
        features = json.loads(again.schema.metadata[b"huggingface"])["info"]["features"]
        assert list(features) == again.schema.names, features
        assert features["b_r"]["dtype"] == "x" and features["r"]["dtype"] == "float32", features
        layout = annotate.layout(first.schema)
        assert [first.schema.names[place] for place in layout.kept] == again.schema.names[:-4]
        assert layout.new.names == NEW and layout.schema.names == again.schema.names

        count = batch.num_rows
        for column in (pa.array(["mine"] * count), pa.array([True] * count), pa.array([[1]] * count)):
            with raises(errors.Usage, '"r"', "annotate has not written it", "prefix=NAME_"):
                annotate(batch.append_column("r", column))
        # What others have written under the program's key, and keys that are no text.
        data = batch.append_column("zz", pa.array(["a"] * count))
        for written in (b'{"x1":1,"y":2,"zz":3}', b'["zz"]', b"no json", b"[1]", b"null", b"\xff"):
            out = annotate(data.replace_schema_metadata({b"lsmi_etl.columns": written, b"\xff\xfe": b"x"}))
            assert out.schema.names == [*data.schema.names, *NEW], (written, out.schema.names)
            assert out.schema.metadata[b"\xff\xfe"] == b"x"
        with raises(errors.Usage, '"x1"', "is read"):
            annotate(data.replace_schema_metadata({b"lsmi_etl.columns": b'{"x1": null}'}))


def wrong_kinds():
    """Arguments of another kind than a function takes."""
    import duckdb
    import polars

    table, connection = pa.Table.from_batches([rows()]), duckdb.connect()
    column, series = table.column("x1"), polars.Series([1.0, 2.0])
    annotate = Annotator(BUNDLE)
    for call, *words in [
        (lambda: annotate(column), "one column"),
        (lambda: annotate(column.chunk(0)), "one column"),
        (lambda: annotate.stream(column), "one column"),
        (lambda: lsmi_etl.fit(column, "never"), "one column"),
        (lambda: annotate(series), "Series is no table", "that has all columns"),
        (lambda: annotate.stream(series), "Series is no table"),
        (lambda: lsmi_etl.fit(series, "never"), "Series is no table"),
        (lambda: annotate.schema(table), "Table is no pyarrow schema"),
        (lambda: lsmi_etl.polars.annotate(polars.from_arrow(table), BUNDLE), "no lazy frame"),
        (lambda: lsmi_etl.ray.annotate("in.parquet", BUNDLE), "str is no dataset of Ray"),
        (lambda: lsmi_etl.daft.annotate(table, BUNDLE), "Table is no data frame of Daft"),
        (lambda: lsmi_etl.spark.annotate("in.parquet", BUNDLE), "str is no data frame of Spark"),
        (lambda: lsmi_etl.datasets.annotate("in.parquet", BUNDLE), "str is no dataset"),
        (lambda: lsmi_etl.duckdb.annotate("in.parquet", BUNDLE), "str is no relation of DuckDB"),
        (lambda: lsmi_etl.duckdb.register(BUNDLE, connection), "str is no connection of DuckDB"),
        (lambda: lsmi_etl.fit(table, "never", x1=column), "the option x1 takes a name", "not a ChunkedArray"),
        (lambda: lsmi_etl.annotate("in.parquet", None), "the output is a path or a URL, not a NoneType"),
        (lambda: lsmi_etl.Bundle("bundle"), "Bundle.open(path)"),
        (lambda: Annotator(BUNDLE, new_columns_only=True)(table), "new_columns_only", "of files"),
        (lambda: Annotator(BUNDLE, **{"workers=1": True})(table), "'workers=1'", "batch_rows"),
    ]:
        with raises(errors.Usage, *words):
            call()
    lsmi_etl.duckdb.register(connection, BUNDLE, name='my fn"q')
    query = 'SELECT "my fn""q_r"(x1, x2, y) AS r FROM \'' + INPUT + "\'"
    assert same(connection.sql(query).to_arrow_table().column("r"), expected().column("r"))


def failures():
    batch = rows()
    with Annotator(BUNDLE) as annotate:
        with raises(errors.Usage, '"r"', "already", "replace_columns", "prefix=NAME_"):
            annotate(annotate(batch))
        with raises(errors.BadData, '"x2"', "no such column", "x1, y") as _:
            annotate(batch.select(["x1", "y"]))
        must_be_annotated(annotate(batch.slice(0, 5)), 0, 5)
    for kind, options, words in [
        (errors.Usage, {"nope": 1}, ["'nope'"]),
        (errors.Usage, {"workers": -3}, ["workers"]),
        (errors.Usage, {"prefix": "\ud800"}, ["prefix"]),
        (errors.Usage, {"prefix": "a\0b"}, ["prefix"]),
        (errors.Usage, {"quiet": True}, ["quiet", "level of the log"]),
        (errors.Usage, {"verbose": True}, ["verbose", "level of the log"]),
        (errors.BadBundle, {"bundle": "/there/is/none"}, ["/there/is/none"]),
        (errors.EngineUnavailable, {"device": "cuda"}, []),
        (errors.BadData, {"x1": "nope"}, ["nope", "x1, x2"]),
    ]:
        with raises(kind, *words), Annotator(**{"bundle": BUNDLE, **options}) as annotate:
            annotate(batch)
    bad = batch.set_column(
        batch.schema.get_field_index("y"), "y", pa.nulls(batch.num_rows, batch.schema.field("y").type)
    )
    with Annotator(BUNDLE) as annotate:
        assert annotate(bad).column("r").null_count == batch.num_rows
    with Annotator(BUNDLE, on_bad_row="fail") as annotate:
        try:
            annotate(bad)
        except errors.BadData as error:
            assert error.code == 65 and error.place.startswith("the data"), (error, error.place)
            assert error.message.startswith("the data") and "give on_bad_row null" in error.message, error
            assert pickle.loads(pickle.dumps(error)).place == error.place
        else:
            raise AssertionError("null labels are no failure")
        must_be_annotated(annotate(batch.slice(0, 5)), 0, 5)
    with Annotator(BUNDLE) as annotate:
        place = batch.schema.get_field_index("y")
        halves = batch.set_column(place, "y", pa.array([0.5] * batch.num_rows))
        with raises(errors.BadData, '"y"', "0.5", "choose another column"):
            annotate(halves)
        classes = pa.array([0, 1, 2, 3])
        indices = pa.array([99] * batch.num_rows, pa.int8())
        invalid = pa.DictionaryArray.from_arrays(indices, classes, safe=False)
        with raises(errors.BadData, '"y"', "no valid array"):
            annotate(batch.set_column(place, "y", invalid))
        must_be_annotated(annotate(batch.slice(0, 5)), 0, 5)
    # What is found out at the end.
    with raises(errors.BadData, "are bad"), Annotator(BUNDLE, max_bad_rows="1%") as annotate:
        annotate(bad)
    with Annotator(BUNDLE, max_bad_rows="1%") as annotate, raises(errors.BadData, "are bad"):
        annotate.stream(pa.RecordBatchReader.from_batches(bad.schema, [bad])).read_all()
    assert not running()


def buffers():
    """Batches are read where they lie: in memory of Python objects, which need the interpreter to be released, in a
    mapped file, and at addresses that are no multiple of a value's size."""
    batch = rows()
    dim = len(batch.column("x1")[0])
    embeddings = []
    for name in ("x1", "x2"):
        raw = bytes(3) + batch.column(name).flatten().to_numpy().tobytes()
        values = pa.Array.from_buffers(pa.float32(), dim * batch.num_rows, [None, pa.py_buffer(raw)[3:]])
        embeddings.append(pa.FixedSizeListArray.from_arrays(values, dim))
    data = pa.RecordBatch.from_arrays([*embeddings, batch.column("y")], ["x1", "x2", "y"])
    with tempfile.NamedTemporaryFile() as file, Annotator(BUNDLE) as annotate:
        out = annotate(data)
        for name in NEW:
            assert same(pa.chunked_array([out.column(name)]), expected().column(name)), name
        # The reader keeps no batch, so that the threads drop the last reference to each.
        made = (
            pa.RecordBatch.from_arrays(
                [
                    *(pa.FixedSizeListArray.from_arrays(pa.array(x.flatten().to_numpy() + 0), dim) for x in embeddings),
                    batch.column("y"),
                ],
                ["x1", "x2", "y"],
            )
            for _ in range(200)
        )
        for out in annotate.stream(pa.RecordBatchReader.from_batches(data.schema, made)):
            assert out.num_rows == batch.num_rows
        half = annotate.stream(pa.RecordBatchReader.from_batches(data.schema, iter([data] * 50)))
        half.read_next_batch()
        del half, data, out
        with pa.ipc.new_file(file.name, batch.schema) as writer:
            writer.write_batch(batch)
        with pa.memory_map(file.name) as mapped:
            must_be_annotated(annotate(pa.ipc.open_file(mapped).get_batch(0)))


def interrupted():
    """Ctrl-C in the middle of a call, of a stream and of a reader."""
    batch = rows()
    table = pa.Table.from_batches([batch] * 3000)
    with Annotator(BUNDLE) as annotate:
        annotate(batch)
        of_one = running()
        for work in (
            lambda: annotate(table),
            lambda: annotate.stream(table.to_reader()).read_all(),
            lambda: annotate(table.to_reader()).read_all(),
        ):
            threading.Timer(0.4, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
            with raises(KeyboardInterrupt):
                while True:
                    work()
            gc.collect()
            must_be_annotated(annotate(batch))
            assert running() == of_one, running()
    assert not running()


def in_another_process(annotate):
    must_be_annotated(annotate(rows().slice(3, 50)), 3, 50)
    return os.getpid()


def processes():
    """Forked copies and pickled ones have threads of their own, and leave the parent's alone."""
    batch = rows()
    with Annotator(BUNDLE) as annotate:
        must_be_annotated(annotate(batch))
        half = annotate.stream(pa.RecordBatchReader.from_batches(batch.schema, iter([batch.slice(0, 10)] * 50)))
        half.read_next_batch()
        for method in ("fork", "spawn", "forkserver"):
            context = multiprocessing.get_context(method)
            with context.Pool(2) as pool:
                pool.map(in_another_process, [annotate] * 4)
            must_be_annotated(annotate(batch))
        child = os.fork()
        if child == 0:
            try:
                in_another_process(annotate)
                annotate.close()
                gc.collect()
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        # A copy that does nothing, and ends as a script does.
        child = os.fork()
        if child == 0:
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        must_be_annotated(annotate(batch))
        assert half.read_all().num_rows == 490
    # What holds the connections to a store has threads of its own, too.
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", BUNDLE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            port = server.stdout.readline().split("port ")[1].split()[0]
            with Annotator(f"http://127.0.0.1:{port}/") as remote:
                must_be_annotated(remote(batch))
                with multiprocessing.get_context("fork").Pool(2) as pool:
                    pool.map(in_another_process, [remote] * 4)
        finally:
            server.kill()
    copy = pickle.loads(pickle.dumps(annotate))
    with copy:
        must_be_annotated(copy(batch))
    assert not running()


def forks():
    """A process may fork while other threads of it load models, and its children load theirs: also where each error
    has a backtrace, which the standard library of Rust makes under a lock."""
    for backtrace in ("0", "1"):
        environment = {**os.environ, "RUST_BACKTRACE": backtrace}
        out = subprocess.run([sys.executable, __file__, "forking", *sys.argv[2:]], env=environment)
        assert out.returncode == 0, (backtrace, out)


def forking():
    batch, ended = rows().slice(0, 50), threading.Event()
    kept = Annotator(BUNDLE)
    kept(batch)

    def load():
        while not ended.is_set():
            with Annotator(BUNDLE) as annotate:
                annotate(batch)
            list(kept.stream(pa.RecordBatchReader.from_batches(batch.schema, [batch])))

    loading = [threading.Thread(target=load) for _ in range(2)]
    [thread.start() for thread in loading]
    try:
        for turn in range(30):
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                try:
                    must_be_annotated((kept if turn % 2 else Annotator(BUNDLE))(batch), 0, 50)
                    os._exit(0)
                finally:
                    os._exit(1)
            status = os.waitpid(child, 0)[1]
            assert status == 0, (turn, status)
    finally:
        ended.set()
        [thread.join() for thread in loading]


def threads():
    batch, failed = rows(), []
    with Annotator(BUNDLE) as annotate:

        def work(number):
            try:
                for turn in range(20):
                    first = (number * 31 + turn * 17) % 500
                    must_be_annotated(annotate(batch.slice(first, number + 1)), first, number + 1)
            except (Exception, SystemExit) as error:
                failed.append(error)

        several = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        [thread.start() for thread in several]
        [thread.join() for thread in several]
        assert not failed, failed


def left():
    """A script that ends without closing, in the middle of a stream, has its threads at work and ends well."""
    batch = rows()
    annotate = Annotator(BUNDLE)
    annotate(batch)
    big = pa.Table.from_batches([batch] * 300).combine_chunks()
    half = annotate.stream(pa.Table.from_batches([big.to_batches()[0]] * 20).to_reader())
    half.read_next_batch()
    globals()["kept"] = annotate, half


def leaving():
    for _ in range(5):
        out = subprocess.run([sys.executable, __file__, "left", *sys.argv[2:]], capture_output=True, text=True)
        assert out.returncode == 0 and not out.stderr, (out.returncode, out.stderr)


if __name__ == "__main__":
    # A shell that runs the tests in the background has it ignored, and so would they.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    globals()[TEST]()
