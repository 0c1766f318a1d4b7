"""polars: a lazy frame with the columns added, also where it is collected or written by the streaming engine.

>>> from lsmi_etl.polars import annotate
>>> annotate(pl.scan_parquet("in/*.parquet"), "lsmi-bundle").sink_parquet("out.parquet")
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lsmi_etl._kept import kept_annotator
from lsmi_etl.annotator import Annotator
from lsmi_etl.errors import Usage

if TYPE_CHECKING:
    import polars as pl

__all__ = ["annotate", "parquet_options"]


def annotate(lf: pl.LazyFrame, bundle: str | os.PathLike[str], **options: Any) -> pl.LazyFrame:
    """``lf`` with r, u1, u2, s and ``columns`` added to every row.

    The options are those of :class:`lsmi_etl.Annotator`. The embedding columns are lists or arrays of floats. polars
    keeps no metadata: give :func:`parquet_options` to ``sink_parquet`` where the file is to say what the columns are.
    An eager frame is ``annotate(df.lazy(), bundle).collect()``.
    """
    import polars as pl

    if not isinstance(lf, pl.LazyFrame):
        raise Usage(f"a {type(lf).__name__} is no lazy frame; annotate(df.lazy(), bundle).collect() annotates a DataFrame")
    bundle = os.fspath(bundle)
    extended = _extended_schema(lf, bundle, options)
    sha256 = (extended.metadata or {}).get(b"lsmi_etl.bundle_sha256", b"").decode()
    given = lf.collect_schema()

    def annotate_frame(frame: pl.DataFrame) -> pl.DataFrame:
        table = pa.table(frame)
        columns = kept_annotator(bundle, options, sha256)(table)
        added = columns.select(range(table.num_columns, columns.num_columns))
        return frame.hstack(pl.DataFrame(added))

    added = pa.schema([extended.field(place) for place in range(len(given), len(extended))])
    types = pl.DataFrame(added.empty_table()).schema
    return lf.map_batches(annotate_frame, schema={**given, **types}, streamable=True)


def parquet_options(lf: pl.LazyFrame, bundle: str | os.PathLike[str], **options: Any) -> dict[str, Any]:
    """Options of ``sink_parquet`` and ``write_parquet``, by which the file of the annotated frame says what the columns
    are and what made them, as those of ``lsmi-etl annotate`` do.

    >>> annotate(lf, "lsmi-bundle").sink_parquet("out.parquet", **parquet_options(lf, "lsmi-bundle"))
    """
    extended = _extended_schema(lf, bundle, options)
    metadata = {key.decode(): value.decode() for key, value in (extended.metadata or {}).items()}
    return {"arrow_schema": extended.remove_metadata(), "metadata": metadata}


def _extended_schema(lf: pl.LazyFrame, bundle: str | os.PathLike[str], options: dict[str, Any]) -> pa.Schema:
    with Annotator(bundle, **options) as annotator:
        return annotator.schema(pa.table(lf.collect_schema().to_frame()).schema)
