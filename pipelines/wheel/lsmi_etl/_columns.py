"""The models as a function of columns, for engines whose functions take arrays: embeddings and label in, struct out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Union

import pyarrow as pa

from lsmi_etl._kept import absolute, kept_annotator, refuse_options_of_a_run
from lsmi_etl.annotator import Annotator
from lsmi_etl.bundle import Bundle
from lsmi_etl.errors import BadData

__all__ = ["ColumnFunction"]

_Column = Union[pa.Array, pa.ChunkedArray]


class ColumnFunction:
    """Takes the embeddings of all modalities in the bundle's order, and the label unless ``label_free``.

    ``names`` are the columns' names for a table that has them: as given in the options, else the bundle's. ``type`` is
    the struct that it returns: r, u1, u2, s and ``columns``. It can be pickled.
    """

    def __init__(self, bundle: str | os.PathLike[str], options: dict[str, Any]) -> None:
        refuse_options_of_a_run(options)
        opened = Bundle.open(bundle)
        self.path = absolute(opened)
        self.sha256 = opened.sha256
        columns = dict(options)
        x = columns.pop("x", None) or [
            columns.pop(f"x{number}", None) or modality.column or f"x{number}"
            for number, modality in enumerate(opened.modalities, 1)
        ]
        self.names = list(x)
        self.label_type: pa.DataType | None = None
        if not columns.get("label_free"):
            self.names.append(columns.pop("label", None) or opened.label or "y")
            kind = type(opened.classes[0])
            self.label_type = {bool: pa.bool_(), int: pa.int64(), str: pa.string()}[kind]
        # The columns have names of their own here: those of the table may be equal to each other.
        modalities = [f"x{number}" for number in range(1, len(x) + 1)]
        self._options = {**columns, "x": modalities}
        self._inputs = [*modalities, *(["label"] if self.label_type is not None else [])]
        if self.label_type is not None:
            self._options["label"] = "label"
        types = [pa.list_(pa.float32())] * len(x) + ([self.label_type] if self.label_type is not None else [])
        with Annotator(self.path, **self._options) as annotator:
            layout = annotator.layout(pa.schema(list(zip(self._inputs, types))))
        self.type = pa.struct(list(layout.new))
        self.metadata = layout.schema.metadata

    def __call__(self, *columns: _Column) -> pa.StructArray:
        arrays = [_one_array(column) for column in columns]
        if len(arrays) != len(self._inputs):
            raise BadData(f"the function takes {', '.join(self.names)}, {len(self._inputs)} columns; got {len(arrays)}")
        batch = pa.record_batch(arrays, names=self._inputs)
        extended = kept_annotator(self.path, self._options, self.sha256)(batch)
        added: Sequence[pa.Array] = extended.columns[-self.type.num_fields :]
        return pa.StructArray.from_arrays(added, fields=list(self.type))


def _one_array(column: _Column) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            # Of no chunks, or more bytes than an array can have.
            column = pa.concat_arrays(column.chunks) if column.chunks else pa.array([], column.type)
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    return column
