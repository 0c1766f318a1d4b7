"""What engines do differently, each a claim of the package's documentation.

    python engine_details.py IN WANT BUNDLE

IN has x1 and x2 (4 floats each) and y (0 to 3); WANT is IN as annotate writes it.
"""

import json
import os
import pathlib
import shutil
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SOURCE, WANT, BUNDLE = sys.argv[1:]
NEW = ["r", "u1", "u2", "s"]


def same(found, what, columns=NEW, want=None):
    want = pq.read_table(WANT) if want is None else want
    found = found if isinstance(found, pa.Table) else pa.table(found)
    for name in columns:
        bits = [table[name].cast(pa.float32()).to_numpy().view(np.uint32) for table in (found, want)]
        assert np.array_equal(*bits), f"{what}: {name} differs"
    print(f"{what}: {', '.join(columns)} are those of annotate")


def earlier():
    """The rows with columns of another run, of which some lie before the others."""
    table = pq.read_table(SOURCE)
    old = pa.array([-99.0] * table.num_rows)
    return pa.table({"s": old, **dict(zip(table.column_names, table.columns)), "r": old})


def same_anew(found, what):
    """Old columns have made way, and the new ones have the new values."""
    found = found if isinstance(found, pa.Table) else pa.table(found)
    assert found.column_names == [*pq.read_schema(SOURCE).names, *NEW], (what, found.column_names)
    same(found, f"{what}, replaced")


def other_bundle(path):
    """The bundle with another prior: other values of i, and another hash."""
    shutil.copytree(BUNDLE, path, dirs_exist_ok=True)
    manifest = json.loads((path / "bundle.json").read_text())
    manifest["label"]["prior"] = [0.4, 0.3, 0.2, 0.1]
    (path / "bundle.json").write_text(json.dumps(manifest))


def of_duckdb():
    import duckdb

    from lsmi_etl.duckdb import annotate, register

    connection = duckdb.connect()
    register(connection, BUNDLE, columns=["i1"])
    connection.sql(f"CREATE TABLE rows AS SELECT * FROM '{SOURCE}'")
    same(connection.sql("SELECT unnest(lsmi(x1, x2, y)) FROM rows").to_arrow_table(), "lsmi() in DuckDB", [*NEW, "i1"])
    # Arrays of a fixed length, doubles by a cast, and a label that is an integer of another width.
    cast = "lsmi(x1::DOUBLE[]::FLOAT[], x2::FLOAT[4], y::TINYINT)"
    same(connection.sql(f"SELECT unnest({cast}) FROM rows").to_arrow_table(), "lsmi() of casts")
    nulls = connection.sql("SELECT lsmi(x1, NULL, y), lsmi(x1, x2, 7) FROM rows LIMIT 1").fetchall()
    assert all(value is None for struct in nulls[0] for value in struct.values()), nulls
    fields = connection.sql(f"SELECT lsmi_i1(x1, x2, y) = lsmi(x1, x2, y).i1 AS same FROM rows").fetchall()
    assert {row[0] for row in fields} <= {True, None}, fields
    # Again, with other options.
    register(connection, BUNDLE, columns=["h1"])
    assert connection.sql(f"SELECT lsmi_h1(x1, x2, y) FROM rows LIMIT 1").fetchall()
    register(connection, BUNDLE, name="expected", label_free=True)
    free = connection.sql("SELECT unnest(expected(x1, x2)) FROM rows").to_arrow_table()
    assert free.column_names[:4] == NEW and free["r"].null_count == 0
    # A relation of a connection, into the same connection, with a filter on the result.
    of_rows = annotate(connection.table("rows"), BUNDLE, connection=connection.cursor())
    for _ in range(2):
        same(of_rows.to_arrow_table(), "a relation of DuckDB, again")
    assert of_rows.filter("y = 1 AND r IS NOT NULL").count("*").fetchall()[0][0] > 0
    same(
        annotate(
            annotate(connection.table("rows"), BUNDLE).project("* EXCLUDE (r, u1, u2, s)"), BUNDLE
        ).to_arrow_table(),
        "twice",
    )


def of_polars():
    import polars as pl

    from lsmi_etl.polars import annotate

    rows = pl.scan_parquet(SOURCE)
    same(annotate(rows, BUNDLE).collect(), "polars in memory")
    same(annotate(rows, BUNDLE).collect(engine="streaming"), "polars, streaming")
    lists = rows.with_columns(pl.col("x1").cast(pl.List(pl.Float64)), pl.lit("ä").alias("text"))
    same(annotate(lists, BUNDLE).collect(), "polars, lists of doubles")
    assert annotate(rows.filter(pl.col("y") > 9), BUNDLE).collect().shape[0] == 0
    # Another bundle in the same place is read anew.
    place = pathlib.Path("bundle-of-polars")
    other_bundle(place)
    other = annotate(rows, place, columns=["i1"]).select("i1").collect()["i1"].to_numpy()
    shutil.copytree(BUNDLE, place, dirs_exist_ok=True)
    again = annotate(rows, place, columns=["i1"]).collect()
    same(again, "polars, another bundle", [*NEW, "i1"])
    assert not np.array_equal(other, again["i1"].to_numpy())


def of_datasets():
    import datasets

    from lsmi_etl.datasets import annotate

    ds = datasets.Dataset.from_parquet(SOURCE)
    place = pathlib.Path("bundle-of-datasets")
    other_bundle(place)
    other = annotate(ds, place, columns=["i1"])
    shutil.copytree(BUNDLE, place, dirs_exist_ok=True)
    again = annotate(ds.with_format("numpy"), place, columns=["i1"])
    assert again.format["type"] == "numpy" and other.format["type"] is None
    same(again.with_format("arrow")[:], "datasets, another bundle in the cache's way", [*NEW, "i1"])
    assert other.with_format("numpy")["i1"][:].tolist() != again["i1"][:].tolist()
    assert annotate(ds, place, columns=["i1"])._fingerprint == annotate(ds, place, columns=["i1"])._fingerprint
    stream = datasets.load_dataset("parquet", data_files=SOURCE, split="train", streaming=True)
    rows = list(annotate(stream, BUNDLE, batch_size=1000))
    same(pa.Table.from_pylist(rows), "datasets, streaming")
    old = datasets.Dataset(earlier())
    same_anew(annotate(old, BUNDLE, replace_columns=True).with_format("arrow")[:], "datasets")
    rows = list(annotate(old.to_iterable_dataset(), BUNDLE, batch_size=1000, replace_columns=True))
    same_anew(pa.Table.from_pylist(rows), "datasets, streaming")


def of_daft():
    import daft

    from lsmi_etl.daft import annotate, lsmi

    rows = daft.read_parquet(SOURCE)
    same(annotate(rows, BUNDLE, columns=["i1"]).to_arrow(), "daft", [*NEW, "i1"])
    same(
        annotate(rows, BUNDLE, use_process=True, max_concurrency=2).sort("true_r").to_arrow(),
        "daft, two processes",
        want=pq.read_table(WANT).sort_by("true_r"),
    )
    embedded = rows.with_column("x1", daft.col("x1").cast(daft.DataType.embedding(daft.DataType.float32(), 4)))
    same(annotate(embedded, BUNDLE).to_arrow(), "daft, embeddings")
    same_anew(annotate(daft.from_arrow(earlier()), BUNDLE, replace_columns=True, batch_size=500).to_arrow(), "daft")
    struct = rows.select(lsmi(BUNDLE)).limit(2).to_pylist()
    assert list(struct[0]) == ["lsmi"] and list(struct[0]["lsmi"]) == NEW, struct


def of_ray():
    import ray

    from lsmi_etl.ray import annotate

    ray.init(num_cpus=4, include_dashboard=False, object_store_memory=200 << 20, log_to_driver=False)
    table = pq.read_table(SOURCE)
    tensors = {name: np.stack(table[name].to_numpy()) for name in ("x1", "x2")}
    ds = ray.data.from_arrow(_tensors(tensors, table["y"]))
    found = pa.concat_tables(ray.get(annotate(ds, BUNDLE, concurrency=1).to_arrow_refs()))
    same(found.select(NEW), "ray, tensors")
    assert isinstance(found["x1"].type, pa.BaseExtensionType)
    old = ray.data.from_arrow(earlier())
    anew = annotate(old, BUNDLE, concurrency=1, replace_columns=True)
    same_anew(pa.concat_tables(ray.get(anew.to_arrow_refs())), "ray")
    ray.shutdown()


def _tensors(tensors, label):
    from ray.data.extensions import ArrowTensorArray

    columns = {name: ArrowTensorArray.from_numpy(values) for name, values in tensors.items()}
    return pa.table({**columns, "y": label})


def main():
    of_duckdb()
    of_polars()
    of_datasets()
    of_daft()
    of_ray()
    assert not [name for name in os.listdir() if name.startswith("lsmi-etl-")]
    print("all hold")


if __name__ == "__main__":
    main()
