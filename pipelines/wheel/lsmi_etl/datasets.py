"""Hugging Face datasets: a function for ``map``, and a dataset with the columns added in one line.

>>> from lsmi_etl.datasets import annotate
>>> annotate(load_dataset("parquet", data_files="in.parquet", split="train"), "lsmi-bundle")
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from lsmi_etl._kept import kept_annotator, refuse_options_of_a_run
from lsmi_etl.bundle import Bundle
from lsmi_etl.errors import Usage

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

    AnyDataset = TypeVar("AnyDataset", Dataset, IterableDataset)

__all__ = ["AnnotateBatches", "annotate"]


class AnnotateBatches:
    """A function for ``ds.with_format("arrow").map(AnnotateBatches("lsmi-bundle"), batched=True)``.

    The options are those of :class:`lsmi_etl.Annotator`. datasets keeps what ``map`` returns in a cache, under a hash
    of the function: that of the bundle is a part of it, so that another bundle in the same folder is computed anew.
    """

    def __init__(self, bundle: str | os.PathLike[str], **options: Any) -> None:
        refuse_options_of_a_run(options)
        opened = Bundle.open(bundle)
        self.bundle = opened.path
        self.bundle_sha256 = opened.sha256
        self.options = options

    def __call__(self, table: pa.Table) -> pa.Table:
        extended: pa.Table = kept_annotator(self.bundle, self.options, self.bundle_sha256)(table)
        return extended


def annotate(
    ds: AnyDataset,
    bundle: str | os.PathLike[str],
    *,
    batch_size: int = 4096,
    num_proc: int | None = None,
    **options: Any,
) -> AnyDataset:
    """``ds`` with r, u1, u2, s and ``columns`` added to every row, in the format that it had.

    A streaming dataset (``IterableDataset``) is annotated as it is read, and gives Python objects. ``num_proc`` processes each load the models
    with one worker, unless ``workers`` is given. Further options are those of :class:`lsmi_etl.Annotator`.
    """
    import datasets

    if not isinstance(ds, (datasets.Dataset, datasets.IterableDataset)):
        raise Usage(f"a {type(ds).__name__} is no dataset; load_dataset(…, split=\"train\") is one, and so is each of a dict")
    function = AnnotateBatches(bundle, **{**({"workers": 1} if num_proc else {}), **options})
    arrow = ds.with_format("arrow")
    if isinstance(ds, datasets.IterableDataset):
        return arrow.map(function, batched=True, batch_size=batch_size).with_format(None)
    if len(ds):
        extended = arrow.map(function, batched=True, batch_size=batch_size, num_proc=num_proc)
    else:
        # map does not call the function.
        extended = datasets.Dataset(datasets.table.InMemoryTable(function(ds.data.table.slice(0, 0))))
    form = ds.format
    if form["columns"] is not None and len(form["columns"]) == len(ds.column_names):
        form["columns"] = None
    return extended.with_format(form["type"], form["columns"], **form["format_kwargs"])
