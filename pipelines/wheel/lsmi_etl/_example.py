"""Embeddings of an Arrow batch as f32 values in memory, with which models are exported and compared."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lsmi_etl.errors import BadData, Usage

__all__ = ["ROWS", "Rows", "examples"]

#: Rows of an example that are used.
ROWS = 64


class Rows:
    """Embeddings of one modality: ``values`` is [count, dim] f32, row by row."""

    def __init__(self, values: array[float], dim: int) -> None:
        self.values = values
        self.dim = dim

    @property
    def count(self) -> int:
        return len(self.values) // self.dim

    def arrow(self) -> pa.FixedSizeListArray:
        values = pa.Array.from_buffers(pa.float32(), len(self.values), [None, pa.py_buffer(self.values)])
        return pa.FixedSizeListArray.from_arrays(values, self.dim)


def examples(data: Any, columns: Sequence[str]) -> list[Rows]:
    """The first rows of ``data`` in which all columns are whole and finite, as one :class:`Rows` for each column.

    Raises :class:`Usage` where a column is missing or holds no lists of floats, and :class:`BadData` where there
    are fewer than two such rows: with one, exporters take the number of rows for a constant.
    """
    table = _table(data)
    embeddings = [_lists(table, name) for name in columns]
    kept: list[list[list[float]]] = []
    for row in zip(*embeddings):
        if all(_is_whole(embedding) for embedding in row):
            kept.append(list(row))
            if len(kept) == ROWS:
                break
    if len(kept) < 2:
        raise BadData(f"the example has {len(kept)} rows without nulls, NaN and infinity; give at least two")
    found = []
    for modality, name in enumerate(columns):
        dims = sorted({len(row[modality]) for row in kept})
        if len(dims) > 1 or dims == [0]:
            raise BadData(f"the embeddings of {name} in the example have lengths {dims}; all must have the same")
        found.append(Rows(array("f", (value for row in kept for value in row[modality])), dims[0]))
    return found


def _table(data: Any) -> pa.Table:
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if isinstance(data, pa.Table):
        return data
    if hasattr(data, "__arrow_c_stream__"):
        return pa.table(data)
    if isinstance(data, dict):
        return pa.table(data)
    raise Usage(f"example is a {type(data).__name__}; give a record batch, a table, or what has __arrow_c_stream__")


def _lists(table: pa.Table, name: str) -> list[Any]:
    if table.column_names.count(name) != 1:
        raise Usage(f"the example has {table.column_names.count(name)} columns {name}; it has {table.column_names}")
    # Some rows more than are used, for those that are left out.
    column = table.column(name).slice(0, 16 * ROWS)
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list or not pa.types.is_floating(kind.value_type):
        raise Usage(f"column {name} of the example is {kind}; embeddings are lists of floats")
    if pa.types.is_float16(kind.value_type):
        column = pc.cast(column, pa.list_(pa.float32()))
    rows: list[Any] = column.to_pylist()
    return rows


def _is_whole(embedding: Any) -> bool:
    return embedding is not None and all(value is not None and math.isfinite(value) for value in embedding)
