"""One engine, one run: the columns by the package lsmi_etl, or by what one writes without it, five sessions of ONNX
Runtime in a plain function of the engine.

    python engines.py ENGINE ours|plain|numpy|none IN OUT BUNDLE

ENGINE is spark, ray, daft, duckdb, duckdb_sql, polars or datasets. Prints one line of JSON: rows, rows a second from
the start of the pipeline (the engine runs by then) to the output on disk, and the peak of private memory of all
processes.
The plain function is given Arrow data. With numpy it is given what the documentation of the engine begins with: frames
of pandas in Spark, arrays of numpy in Ray and datasets, the only ones that have it. With none, rows pass through a
function that gives them back: what the engine takes by itself.
"""

import json
import os
import pathlib
import sys
import threading
import time

import pyarrow as pa

NEW = ["r", "u1", "u2", "s"]
#: Rows of a batch, of either way: the defaults of the package.
BATCH_ROWS = 4096


class Plain:
    """Five sessions, and the arithmetic in numpy."""

    def __init__(self, bundle, threads=1):
        import numpy as np
        import onnxruntime as ort

        folder = pathlib.Path(bundle)
        manifest = json.loads((folder / "bundle.json").read_text())
        self.log_prior = np.log(manifest["label"]["prior"])
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        names = ["density_1", "density_2", "classifier_1", "classifier_2", "classifier_12"]
        self.sessions = [
            ort.InferenceSession(folder / f"{name}.onnx", options, providers=["CPUExecutionProvider"]) for name in names
        ]

    def columns(self, x1, x2, y):
        """Of Arrow arrays of lists and integers."""
        new = self.values(*(embeddings(x) for x in (x1, x2)), y.to_numpy(zero_copy_only=False))
        return [pa.array(values) for values in new]

    def values(self, x1, x2, y):
        """Of arrays of numpy, as such."""
        import numpy as np

        inputs = [(x1,), (x2,), (x1,), (x2,), (x1, x2)]
        h1, h2, *log_p = [
            session.run(None, dict(zip([one.name for one in session.get_inputs()], x)))[0]
            for session, x in zip(self.sessions, inputs)
        ]
        rows = np.arange(len(y))
        h1, h2 = h1.ravel().astype(np.float64), h2.ravel().astype(np.float64)
        i1, i2, i12 = (p[rows, y].astype(np.float64) - self.log_prior[y] for p in log_p)
        r = np.minimum(h1, h2) - np.minimum(h1 - i1, h2 - i2)
        return [values.astype(np.float32) for values in (r, i1 - r, i2 - r, i12 - i1 - i2 + r)]

    def __call__(self, table):
        new = self.columns(*(one_array(table[name]) for name in ("x1", "x2", "y")))
        return pa.Table.from_arrays([*table.columns, *new], names=[*table.column_names, *NEW])


class PlainOfNumpy(Plain):
    """The same of a dictionary of arrays, or of a frame of pandas."""

    def __call__(self, batch):
        import numpy as np

        x1, x2, y = (np.asarray(batch[name]) for name in ("x1", "x2", "y"))
        x1, x2 = (x if x.ndim == 2 else np.stack(x) for x in (x1, x2))
        return {**batch, **dict(zip(NEW, self.values(x1, x2, y)))}


class Through:
    """Rows as they are."""

    def __init__(self, bundle, threads=1):
        pass

    def __call__(self, table):
        return table


FUNCTIONS = {"plain": Plain, "numpy": PlainOfNumpy, "none": Through}


def one_array(column):
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    return column


def embeddings(lists):
    values = lists.flatten().to_numpy(zero_copy_only=True)
    return values.reshape(len(lists), -1)


_kept = {}


def kept(how, bundle):
    """The sessions of this process."""
    if bundle not in _kept:
        _kept[bundle] = FUNCTIONS[how](bundle)
    return _kept[bundle]


def new_columns(how):
    return [] if how == "none" else NEW


def spark(how, source, target, bundle):
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = session.config("spark.sql.execution.arrow.maxRecordsPerBatch", BATCH_ROWS)
    session = session.config("spark.driver.memory", "2g").getOrCreate()
    # A Python worker of each core is there.
    session.range(4).repartition(2).mapInArrow(lambda batches: batches, "id long").collect()
    start = time.perf_counter()
    df = session.read.parquet(source)
    if how == "ours":
        from lsmi_etl.spark import annotate

        annotated = annotate(df, bundle)
    else:

        def plain(batches):
            # By value, so that Spark's workers need no module of this name.
            sessions = kept(how, bundle)
            for batch in batches:
                yield sessions(pa.Table.from_batches([batch])).to_batches()[0]

        def plain_of_frames(frames):
            sessions = kept(how, bundle)
            for frame in frames:
                yield frame.assign(**{name: values for name, values in sessions(frame).items() if name in NEW})

        from pyspark.sql.types import FloatType, StructField, StructType

        schema = StructType([*df.schema.fields, *(StructField(name, FloatType()) for name in new_columns(how))])
        annotated = df.mapInPandas(plain_of_frames, schema) if how == "numpy" else df.mapInArrow(plain, schema)
    annotated.write.parquet(target)
    return time.perf_counter() - start


def ray(how, source, target, bundle):
    import ray as engine

    from lsmi_etl.ray import annotate

    engine.init(num_cpus=4, include_dashboard=False, log_to_driver=False, object_store_memory=1 << 30)
    start = time.perf_counter()
    ds = engine.data.read_parquet(source)
    if how == "ours":
        annotated = annotate(ds, bundle)
    else:
        # A class, and actors of it, as Ray's documentation has it for models.
        annotated = ds.map_batches(
            FUNCTIONS[how],
            batch_format="numpy" if how == "numpy" else "pyarrow",
            batch_size=BATCH_ROWS,
            compute=engine.data.ActorPoolStrategy(size=2),
            fn_constructor_kwargs={"bundle": bundle},
        )
    annotated.write_parquet(target)
    return time.perf_counter() - start


def daft(how, source, target, bundle):
    import daft as engine

    from lsmi_etl.daft import annotate

    start = time.perf_counter()
    df = engine.read_parquet(source)
    if how == "ours":
        annotated = annotate(df, bundle)
    elif how == "none":
        annotated = df
    else:
        fields = engine.DataType.struct({name: engine.DataType.float32() for name in NEW})

        @engine.cls
        class PlainColumns:
            def __init__(self, bundle):
                self.sessions = Plain(bundle, threads=2)

            @engine.method.batch(return_dtype=fields, unnest=True)
            def columns(self, x1, x2, y):
                new = self.sessions.columns(*(one_array(column.to_arrow()) for column in (x1, x2, y)))
                return pa.StructArray.from_arrays(new, names=NEW)

        col = engine.col
        annotated = df.select(*map(col, df.column_names), PlainColumns(bundle).columns(col("x1"), col("x2"), col("y")))
    annotated.write_parquet(target)
    return time.perf_counter() - start


def duckdb(how, source, target, bundle):
    import duckdb as engine

    from lsmi_etl.duckdb import annotate

    start = time.perf_counter()
    rows = engine.read_parquet(source)
    if how == "ours":
        annotate(rows, bundle).write_parquet(target)
    else:
        sessions = FUNCTIONS[how](bundle, threads=2)
        reader = rows.to_arrow_reader(BATCH_ROWS)
        schema = pa.schema([*reader.schema, *(pa.field(name, pa.float32()) for name in new_columns(how))])
        batches = (sessions(pa.Table.from_batches([batch])).to_batches()[0] for batch in reader)
        engine.connect().from_arrow(pa.RecordBatchReader.from_batches(schema, batches)).write_parquet(target)
    return time.perf_counter() - start


def duckdb_sql(how, source, target, bundle):
    """As a function of SQL."""
    import duckdb as engine
    from duckdb.func import ARROW

    from lsmi_etl.duckdb import register

    start = time.perf_counter()
    connection = engine.connect()
    if how == "ours":
        register(connection, bundle)
    elif how == "plain":
        sessions = Plain(bundle, threads=2)

        def lsmi(x1, x2, y):
            new = sessions.columns(*(one_array(column) for column in (x1, x2, y)))
            return pa.StructArray.from_arrays(new, names=NEW)

        floats, fields = engine.list_type("FLOAT"), engine.struct_type(dict.fromkeys(NEW, engine.sqltype("FLOAT")))
        connection.create_function("lsmi", lsmi, [floats, floats, engine.sqltype("BIGINT")], fields, type=ARROW)
    columns = "*" if how == "none" else "*, unnest(lsmi(x1, x2, y))"
    connection.sql(f"SELECT {columns} FROM '{source}'").write_parquet(target)
    return time.perf_counter() - start


def polars(how, source, target, bundle):
    import polars as pl

    from lsmi_etl.polars import annotate

    start = time.perf_counter()
    rows = pl.scan_parquet(source)
    if how == "ours":
        annotated = annotate(rows, bundle)
    else:
        sessions = FUNCTIONS[how](bundle, threads=2)
        schema = {**rows.collect_schema(), **dict.fromkeys(new_columns(how), pl.Float32)}
        annotated = rows.map_batches(lambda df: pl.DataFrame(sessions(pa.table(df))), schema=schema, streamable=True)
    annotated.sink_parquet(target, engine="streaming")
    return time.perf_counter() - start


def datasets(how, source, target, bundle):
    import datasets as engine

    from lsmi_etl.datasets import annotate

    engine.disable_caching()
    engine.disable_progress_bars()
    ds = engine.Dataset.from_parquet(source, cache_dir=f"{target}.cache")
    start = time.perf_counter()
    if how == "ours":
        annotated = annotate(ds, bundle, num_proc=2)
    else:

        def plain(batch):
            return kept(how, bundle)(batch)

        annotated = ds.with_format("numpy" if how == "numpy" else "arrow").map(plain, batched=True, batch_size=BATCH_ROWS, num_proc=2)
    annotated.to_parquet(target)
    return time.perf_counter() - start


class PeakMemory(threading.Thread):
    """The most bytes that are private to this process and its descendants, five times a second."""

    def __init__(self):
        super().__init__(daemon=True)
        self.bytes = 0

    def run(self):
        while True:
            self.bytes = max(self.bytes, private_bytes(os.getpid()))
            time.sleep(0.2)


def private_bytes(root):
    parents, sizes = {}, {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            resident, shared = (folder / "statm").read_text().split()[1:3]
            sizes[int(folder.name)] = (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue

    def is_ours(pid):
        while pid in parents:
            if pid == root:
                return True
            pid = parents[pid]
        return False

    return sum(size for pid, size in sizes.items() if is_ours(pid))


def main():
    engine, how, source, target, bundle = sys.argv[1:]
    if engine == "spark":
        # What Spark's workers are sent is this module's, by value.
        import pyspark.cloudpickle as cloudpickle

        cloudpickle.register_pickle_by_value(sys.modules["__main__"])
    peak = PeakMemory()
    peak.start()
    seconds = globals()[engine](how, source, target, bundle)
    import pyarrow.parquet as pq

    # Of the footers: the rows are there.
    files = [target] if os.path.isfile(target) else sorted(map(str, pathlib.Path(target).rglob("*.parquet")))
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    print(json.dumps({"rows": rows, "rows_per_second": rows / seconds, "peak_bytes": peak.bytes}))


if __name__ == "__main__":
    main()
