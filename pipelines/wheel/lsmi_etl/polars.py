"""polars: a lazy frame with the columns added, also where it is collected or written by the streaming engine.

>>> from lsmi_etl.polars import annotate
>>> annotate(pl.scan_parquet("in/*.parquet"), "lsmi-bundle").sink_parquet("out.parquet")
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lsmi_etl._kept import kept_annotator, refuse_options_of_a_run
from lsmi_etl._layout import Layout
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
    layout = _layout(lf, bundle, options)
    sha256 = (layout.schema.metadata or {}).get(b"lsmi_etl.bundle_sha256", b"").decode()
    given = list(lf.collect_schema().items())
    kept = dict(given[place] for place in layout.kept)

    def annotate_frame(frame: pl.DataFrame) -> pl.DataFrame:
        columns = kept_annotator(bundle, options, sha256)(pa.table(frame))
        return frame.select(list(kept)).hstack(pl.DataFrame(columns.select(layout.new.names)))

    types = pl.DataFrame(layout.new.empty_table()).schema
    return lf.map_batches(annotate_frame, schema={**kept, **types}, streamable=True)


def parquet_options(lf: pl.LazyFrame, bundle: str | os.PathLike[str], **options: Any) -> dict[str, Any]:
    """Options of ``sink_parquet`` and ``write_parquet``, by which the file of the annotated frame says what the columns
    are and what made them, as those of ``lsmi-etl annotate`` do.

    >>> annotate(lf, "lsmi-bundle").sink_parquet("out.parquet", **parquet_options(lf, "lsmi-bundle"))
    """
    extended = _layout(lf, bundle, options).schema
    metadata = {key.decode(): value.decode() for key, value in (extended.metadata or {}).items()}
    return {"arrow_schema": extended.remove_metadata(), "metadata": metadata}


def _layout(lf: pl.LazyFrame, bundle: str | os.PathLike[str], options: dict[str, Any]) -> Layout:
    refuse_options_of_a_run(options)
    with Annotator(bundle, **options) as annotator:
        return annotator.layout(pa.table(lf.collect_schema().to_frame()).schema)
