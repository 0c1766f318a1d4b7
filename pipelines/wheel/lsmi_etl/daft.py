"""Daft: a data frame with the columns added, by a class whose instances Daft keeps for its batches.

>>> from lsmi_etl.daft import annotate
>>> annotate(daft.read_parquet("in/*.parquet"), "lsmi-bundle").write_parquet("out/")

The bundle is a URL, or a folder that is at the same path on every machine.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lsmi_etl._columns import ColumnFunction
from lsmi_etl._kept import refuse_options_of_a_run
from lsmi_etl.annotator import Annotator
from lsmi_etl.errors import Usage

if TYPE_CHECKING:
    from daft import DataFrame, Expression, Series

__all__ = ["annotate", "lsmi"]


#: The options of :func:`lsmi` that are not of an Annotator.
_OF_DAFT = ("cpus", "gpus", "max_concurrency", "use_process", "batch_size")


def annotate(df: DataFrame, bundle: str | os.PathLike[str], **options: Any) -> DataFrame:
    """``df`` with r, u1, u2, s and ``columns`` added to every row. The options are those of :func:`lsmi`."""
    import daft

    if not isinstance(df, daft.DataFrame):
        raise Usage(f"a {type(df).__name__} is no data frame of Daft; daft.from_arrow(table) makes one of Arrow data")
    refuse_options_of_a_run(options)
    with Annotator(bundle, **{name: value for name, value in options.items() if name not in _OF_DAFT}) as annotator:
        kept = annotator.layout(df.schema().to_pyarrow_schema()).kept
    names = df.column_names
    return df.select(*(daft.col(names[place]) for place in kept), lsmi(bundle, unnest=True, **options))


def lsmi(
    bundle: str | os.PathLike[str],
    *,
    unnest: bool = False,
    cpus: float | None = None,
    gpus: float = 0,
    max_concurrency: int | None = None,
    use_process: bool | None = None,
    batch_size: int | None = None,
    **options: Any,
) -> Expression:
    """An expression of the type struct with the fields r, u1, u2, s and ``columns``, or with ``unnest`` one for each.

    ``cpus``, ``gpus``, ``max_concurrency`` and ``use_process`` are those of ``daft.cls``. Further options are those of
    :class:`lsmi_etl.Annotator`, such as the columns ``x1``, ``x2`` and ``label``.
    """
    import daft

    function = ColumnFunction(bundle, options)
    batches = daft.method.batch(
        return_dtype=daft.DataType.from_arrow_type(function.type), unnest=unnest, batch_size=batch_size
    )
    kind = type("Lsmi", (_Lsmi,), {"annotate": batches(_Lsmi.annotate)})
    wrap = daft.cls(cpus=cpus, gpus=gpus, max_concurrency=max_concurrency, use_process=use_process)
    expression: Expression = wrap(kind)(function).annotate(*(daft.col(name) for name in function.names))
    return expression if unnest else expression.alias("lsmi")


class _Lsmi:
    def __init__(self, function: ColumnFunction) -> None:
        self._function = function

    def annotate(self, *columns: Series) -> Any:
        return self._function(*(column.to_arrow() for column in columns))
