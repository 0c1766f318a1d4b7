"""Ray Data: a callable class for ``map_batches``, and a dataset with the columns added in one line.

>>> from lsmi_etl.ray import annotate
>>> annotate(ray.data.read_parquet("in/"), "lsmi-bundle").write_parquet("out/")

The bundle is a URL, or a folder that is at the same path on every node.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lsmi_etl._channel import open_models
from lsmi_etl._kept import absolute, kept_annotator, refuse_options_of_a_run
from lsmi_etl.annotator import Annotator
from lsmi_etl.errors import Usage

if TYPE_CHECKING:
    from ray.data import ActorPoolStrategy, Dataset

__all__ = ["AnnotateBatches", "annotate"]

#: Options about what a machine has. The driver may have no GPU, and another library, than those of the actors.
_OF_A_MACHINE = ("device", "engine", "onnxruntime", "tf32")


class AnnotateBatches:
    """An actor of ``ds.map_batches(AnnotateBatches, batch_format="pyarrow", concurrency=…)``.

    The bundle and options (``fn_constructor_kwargs``) are those of :class:`lsmi_etl.Annotator`. An actor uses one
    thread unless ``workers`` is given: give it as many CPUs (``num_cpus``).
    """

    def __init__(self, bundle: str | os.PathLike[str], **options: Any) -> None:
        refuse_options_of_a_run(options)
        self._annotator = Annotator(bundle, **{"workers": 1, **options})

    def __call__(self, table: pa.Table) -> pa.Table:
        return _extended(table, self._annotator)


def annotate(
    ds: Dataset,
    bundle: str | os.PathLike[str],
    *,
    concurrency: int | tuple[int, int] | None = None,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    batch_size: int | None = 4096,
    **options: Any,
) -> Dataset:
    """``ds`` with r, u1, u2, s and ``columns`` added to every row.

    On CPUs by tasks, which Ray fuses with those that read and write, so that rows are not copied between processes. A
    process keeps its models from task to task. With ``concurrency`` or ``num_gpus`` by so many actors (one, unless
    given): models on a GPU stay there.

    A task or an actor has ``num_cpus`` (one, unless given), an actor ``num_gpus``, which may be a fraction: with
    ``device="cuda", num_gpus=0.5`` two actors share a GPU. Ray sets ``CUDA_VISIBLE_DEVICES`` for each actor, so
    that ``cuda`` is the GPU that it was given. Further options are those of :class:`lsmi_etl.Annotator`.
    """
    if not hasattr(ds, "map_batches"):
        raise Usage(f"a {type(ds).__name__} is no dataset of Ray; annotate(ray.data.read_parquet(…), bundle)")
    refuse_options_of_a_run(options)
    path = absolute(bundle)
    options = {"workers": 1 if num_cpus is None else max(1, int(num_cpus)), **options}
    _check(ds, path, options)
    shared = {"batch_format": "pyarrow", "batch_size": batch_size, "num_cpus": num_cpus}
    if concurrency is None and num_gpus is None:
        return ds.map_batches(_annotate_in_task, fn_args=(path, options), **shared)
    return ds.map_batches(
        AnnotateBatches,
        compute=_actors(concurrency),
        num_gpus=num_gpus,
        fn_constructor_kwargs={"bundle": path, **options},
        **shared,
    )


def _check(ds: Dataset, bundle: str, options: dict[str, Any]) -> None:
    """Raises what is wrong with the bundle and the options, and with the columns where they are known without a run."""
    checked = {name: value for name, value in options.items() if name not in _OF_A_MACHINE}
    open_models({"bundle": bundle, **checked})
    known = ds.schema(fetch_if_missing=False)
    if known is not None and isinstance(known.base_schema, pa.Schema):
        with Annotator(bundle, **checked) as annotator:
            annotator.layout(_stored(known.base_schema.empty_table()).schema)


def _annotate_in_task(table: pa.Table, bundle: str, options: dict[str, Any]) -> pa.Table:
    return _extended(table, kept_annotator(bundle, options))


def _extended(table: pa.Table, annotator: Annotator) -> pa.Table:
    stored = _stored(table)
    layout = annotator.layout(stored.schema)
    extended = annotator(stored)
    table = table.select(layout.kept)
    for field in layout.new:
        table = table.append_column(field, extended.column(field.name))
    return table.replace_schema_metadata(extended.schema.metadata)


def _stored(table: pa.Table) -> pa.Table:
    return pa.table([_without_extension(column) for column in table.columns], names=table.column_names)


def _actors(concurrency: int | tuple[int, int] | None) -> ActorPoolStrategy:
    from ray.data import ActorPoolStrategy

    if isinstance(concurrency, tuple):
        return ActorPoolStrategy(min_size=concurrency[0], max_size=concurrency[1])
    return ActorPoolStrategy(size=1 if concurrency is None else concurrency)


def _without_extension(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Tensors of Ray as the lists that they are stored as."""
    if isinstance(column.type, pa.BaseExtensionType):
        return pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    return column
