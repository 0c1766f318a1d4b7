"""The columns of an output: which ones of the input, and the new ones. What is replaced is decided in Rust, as the
command line does.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lsmi_etl._channel import Channel

if TYPE_CHECKING:
    from lsmi_etl._native import Models

__all__ = ["KeptColumns", "Layout"]


@dataclasses.dataclass(frozen=True)
class Layout:
    """The columns of an output: those of the input that are kept, and behind them the new ones."""

    #: Places in the input of the columns that are kept: all but those that ``replace_columns`` computes anew.
    kept: list[int]
    #: The new columns.
    new: pa.Schema
    #: All columns, and the metadata of the output.
    schema: pa.Schema


class KeptColumns:
    """An input: the columns of it that its output has."""

    def __init__(self, schema: pa.Schema, models: Models) -> None:
        self.input_schema = schema
        places, metadata = models.kept_columns(_plain(schema))
        self._is_all = len(places) == len(schema)
        kept = {key.encode(): value for key, value in metadata.items()}
        old = (schema.metadata or {}).items()
        left = {key: kept.get(key, value) for key, value in old if key in kept or not _is_text(key, value)}
        self.places = places
        self.schema = pa.schema([schema.field(place) for place in places], left)
        self._layout: Layout | None = None

    def of(self, data: Any) -> Any:
        """A record batch or table of the input without the other columns."""
        return data if self._is_all else data.select(self.places)

    def layout(self, channel: Channel) -> Layout:
        """The output. That of the last channel is kept: to make it takes as long as a few rows."""
        new = channel.schema
        if self._layout is None or self._layout.new is not new:
            metadata = {**(self.schema.metadata or {}), **(new.metadata or {})}
            self._layout = Layout(self.places, new, pa.schema([*self.schema, *new], metadata))
        return self._layout


def _plain(schema: pa.Schema) -> pa.Schema:
    """A schema with what says which columns are kept: names, types and those metadata that are text."""
    types = [field.type for field in schema]
    types = [kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind for kind in types]
    metadata = {key: value for key, value in (schema.metadata or {}).items() if _is_text(key, value)}
    return pa.schema(list(zip(schema.names, types)), metadata)


def _is_text(*parts: bytes) -> bool:
    try:
        return all(part.decode() is not None for part in parts)
    except UnicodeDecodeError:
        return False
