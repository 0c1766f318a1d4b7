"""PySpark: a function for ``mapInArrow``, and a data frame with the columns added in one line.

>>> from lsmi_etl.spark import annotate
>>> annotate(spark.read.parquet("in/"), "lsmi-bundle").write.parquet("out/")

The package is installed where Spark's Python workers run. Each of them loads the models once.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Union

import pyarrow as pa

from lsmi_etl._kept import kept_annotator
from lsmi_etl.annotator import Annotator
from lsmi_etl.errors import NoInput, Usage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

__all__ = ["SentBundle", "annotate", "annotator", "schema", "send"]


class SentBundle:
    """A bundle that Spark has brought to its executors, by the name that ``SparkFiles`` knows it by."""

    def __init__(self, name: str) -> None:
        self.name = name

    def path(self) -> str:
        """Where it is on this machine. Only in a task."""
        from pyspark import SparkFiles

        path: str = SparkFiles.get(self.name)
        return path


Bundle = Union[str, "os.PathLike[str]", SentBundle]


def annotate(df: DataFrame, bundle: str | os.PathLike[str], **options: Any) -> DataFrame:
    """``df`` with r, u1, u2, s and ``columns`` added to every row.

    ``bundle`` is a folder of this machine, which is sent to the executors, or a URL, which they open themselves. The
    options are those of :class:`lsmi_etl.Annotator`: the embedding columns ``x1`` and ``x2`` (arrays of floats, or
    vectors of Spark's ML), the ``label``, ``columns``, and flags. Rows and partitions stay as they are. The new
    columns' fields say in their metadata what they are (``comment``, ``unit``) and which bundle made them
    (``lsmi_etl.bundle_sha256`` and others), which Spark writes to Parquet and reads back.
    """
    if not hasattr(df, "mapInArrow"):
        raise Usage(f"a {type(df).__name__} is no data frame of Spark; annotate(spark.read.parquet(…), bundle)")
    path = os.fspath(bundle)
    described = schema(df, path, **options)
    there: Bundle = path if "://" in path else send(df.sparkSession, path)
    return df.mapInArrow(annotator(there, **options), described)


def annotator(bundle: Bundle, **options: Any) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A function for ``df.mapInArrow(annotator(bundle), schema(df, bundle))``.

    ``bundle`` is what :func:`send` returns, a URL, or a folder that is at the same path on every machine. Each task
    uses as many threads as it has CPUs (``spark.task.cpus``) unless ``workers`` is given.
    """
    _refuse_files(options)
    if not isinstance(bundle, SentBundle):
        bundle = os.fspath(bundle)

    def annotate_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import TaskContext

        context = TaskContext.get()
        path = bundle.path() if isinstance(bundle, SentBundle) else bundle
        kept = kept_annotator(path, {"workers": context.cpus() if context else 1, **options})
        first = next(batches, None)
        if first is None:
            return

        def all_batches() -> Iterator[pa.RecordBatch]:
            yield first
            yield from batches

        yield from kept.stream(pa.RecordBatchReader.from_batches(first.schema, all_batches()))

    return annotate_batches


def schema(df: DataFrame, bundle: str | os.PathLike[str], **options: Any) -> StructType:
    """The schema of ``df`` with the new columns. ``bundle`` is a folder of this machine, or a URL."""
    from pyspark.sql.pandas.types import from_arrow_type, to_arrow_schema
    from pyspark.sql.types import StructField, StructType

    _refuse_files(options)
    with Annotator(bundle, **options) as annotate_one:
        layout = annotate_one.layout(to_arrow_schema(df.schema))
    lineage = {key.decode(): value.decode() for key, value in (layout.schema.metadata or {}).items()}
    lineage = {key: value for key, value in lineage.items() if key.startswith("lsmi_etl.")}
    fields = [df.schema.fields[place] for place in layout.kept]
    for field in layout.new:
        about = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        if "description" in about:
            about["comment"] = about["description"]
        fields.append(StructField(field.name, from_arrow_type(field.type), True, {**about, **lineage}))
    return StructType(fields)


def _refuse_files(options: dict[str, Any]) -> None:
    """Raises :class:`Usage` of options that name one file, which each of many tasks would write."""
    for name in ("metrics", "rejects"):
        if options.get(name) is not None:
            raise Usage(f"the option {name} names one file, and Spark has many tasks; annotate files, or filter by r")


def send(spark: SparkSession, bundle: str | os.PathLike[str]) -> SentBundle:
    """Brings a bundle's folder to all executors, also to those that start later."""
    if not os.path.isdir(bundle):
        raise NoInput(f"there is no bundle {os.fspath(bundle)}; give the folder of a bundle, or its URL")
    with open(os.path.join(bundle, "bundle.json"), "rb") as manifest:
        # The manifest has the hashes of all files.
        name = f"lsmi-bundle-{hashlib.sha256(manifest.read()).hexdigest()[:16]}"
    # Executors fetch it when their first task starts: it stays until this process ends.
    folder = tempfile.mkdtemp(prefix="lsmi-etl-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    archive = shutil.make_archive(os.path.join(folder, name), "zip", bundle)
    spark.addArtifacts(f"{archive}#{name}", archive=True)
    return SentBundle(name)
