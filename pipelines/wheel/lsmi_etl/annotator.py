"""The Annotator: record batches in, the same rows with their new columns out.

>>> from lsmi_etl import Annotator
>>> with Annotator("lsmi-bundle", x1="image", x2="text", label="y") as annotate:
...     table = annotate(table)
...     for batch in annotate.stream(reader):
...         ...
"""

from __future__ import annotations

import collections
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Union

import pyarrow as pa

from lsmi_etl._channel import Channel, open_models
from lsmi_etl._command import no_table
from lsmi_etl._layout import KeptColumns, Layout
from lsmi_etl.errors import LsmiError, Usage

if TYPE_CHECKING:
    from typing_extensions import Self

    from lsmi_etl._native import Models

__all__ = ["Annotator", "Layout"]

#: Channels of different input schemas that are kept open.
_KEPT_CHANNELS = 4
#: Bytes of batches that a stream has sent and not received, beside two batches of any size.
_IN_FLIGHT_BYTES = 16 << 20
#: A key of the schema that is extended by the new columns. Others are handed through.
_EXTENDED_KEY = b"huggingface"

Path = Union[str, "os.PathLike[str]"]


class Annotator:
    """Adds r, u1, u2, s and other columns to record batches, with the models of a bundle.

    ``bundle`` is a folder or URL; by default ``LSMI_ETL_BUNDLE``, else ``lsmi-bundle``. ``x1``, ``x2`` and ``label``
    name columns where they are not the bundle's; ``x`` lists those of any number of modalities; ``columns`` asks
    for more columns, such as ``["i1", "i2"]``. Other options are the flags of ``lsmi-etl annotate``, with
    underscores: ``engine``, ``device``, ``workers``, ``on_bad_row``, ``memory_limit`` and so on.

    Rows come out as they went in, in the same order and batches, with the new columns behind the others. The values
    are those that ``lsmi-etl annotate`` writes to a file: the same bits with the embedded engine; with ONNX Runtime a
    density, and so r, u1, u2 and s, differs by up to 2e-6 with the batch that its row is computed in.

    The models run in this process, on threads of their own, and read batches where they lie: a batch must not change
    until its rows are given back. They are loaded with the first batch, within a fraction of a second, and kept for the
    next. Calls from several threads take turns. A forked process has threads of its own (with ``device="cuda"`` it must
    be spawned: CUDA does not survive a fork), and pickling carries the options. After an exception, Ctrl-C among them,
    the Annotator can be used again.

    Failures are the exceptions of :mod:`lsmi_etl.errors`.
    """

    def __init__(
        self,
        bundle: Path | None = None,
        *,
        x: Sequence[str] | None = None,
        x1: str | None = None,
        x2: str | None = None,
        label: str | None = None,
        columns: Sequence[str] | str | None = None,
        **options: Any,
    ) -> None:
        named = {"bundle": bundle, "x": x, "x1": x1, "x2": x2, "label": label, "columns": columns}
        self._options: dict[str, Any] = {**named, **options}
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._channels: list[Channel] = []
        self._closed = False
        self._opened: Models | None = None
        self._last_kept: KeptColumns | None = None
        _ANNOTATORS.add(self)

    def __call__(self, data: Any) -> Any:
        """Annotates a record batch, a table, a reader, or anything with ``__arrow_c_stream__``: data frames of polars
        and pandas, relations of DuckDB and so on, which become a table.

        Of a reader, each batch is answered before the next is read; :meth:`stream` is faster. ``rejects`` is of a stream.
        """
        if self._options.get("rejects") is not None:
            raise Usage("rejects lists the rows of a stream, and not of single calls; give Annotator.stream the data")
        if isinstance(data, pa.RecordBatch):
            return self._batch(data)
        if isinstance(data, pa.RecordBatchReader):
            schema = self.schema(data.schema)
            return pa.RecordBatchReader.from_batches(schema, (self._batch(batch) for batch in data))
        if not isinstance(data, pa.Table):
            data = _table_of(data)
        return self._table(data)

    def stream(self, reader: Any) -> pa.RecordBatchReader:
        """Annotates a reader, several batches at a time. The threads that do it are the stream's own, and end with
        it or when it is dropped, and not by its ``close``; ``max_bad_rows``, ``on_shift`` and ``rejects`` count its rows
        alone.
        """
        if not isinstance(reader, pa.RecordBatchReader):
            has_stream = hasattr(reader, "__arrow_c_stream__") and not isinstance(reader, pa.ChunkedArray)
            try:
                reader = pa.RecordBatchReader.from_stream(reader) if has_stream else _table_of(reader).to_reader()
            except pa.ArrowInvalid as error:
                raise no_table(reader, error) from None
        with self._lock:
            kept = self._kept(reader.schema)
            channel = self._take(kept.schema)
        schema = kept.layout(channel).schema
        return pa.RecordBatchReader.from_batches(schema, self._pipelined(reader, channel, kept, schema))

    def schema(self, input_schema: pa.Schema) -> pa.Schema:
        """The schema of the output: the fields of the input, the new ones with their metadata, and the ``lsmi_etl.*``
        keys, which say what the values were computed with."""
        return self.layout(input_schema).schema

    def layout(self, input_schema: pa.Schema) -> Layout:
        """Which columns the output of an input has: those of the input that it keeps, and the new ones."""
        if not isinstance(input_schema, pa.Schema):
            raise Usage(f"a {type(input_schema).__name__} is no pyarrow schema; give data.schema")
        with self._lock:
            kept = self._kept(input_schema)
            return kept.layout(self._channel(kept.schema))

    def close(self) -> None:
        """Ends the threads. What they find wrong with all rows together (``max_bad_rows`` as a share,
        ``on_shift="fail"``) is raised."""
        with self._lock:
            self._closed = True
            channels, self._channels = self._channels, []
        failure = None
        for channel in channels:
            try:
                channel.end()
            except LsmiError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self._abort()

    def __getstate__(self) -> dict[str, Any]:
        return self._options

    def __setstate__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._reset()

    def _forget(self) -> None:
        self._lock, self._channels = threading.Lock(), []

    def _abort(self) -> None:
        with self._lock:
            self._closed = True
            channels, self._channels = self._channels, []
        for channel in channels:
            channel.abort()

    def _batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        with self._lock:
            kept = self._kept(batch.schema)
            channel = self._channel(kept.schema)
            batch = kept.of(batch)
            try:
                channel.send(_part(batch, channel))
                new = channel.receive()
            except BaseException:
                self._discard(channel)
                raise
        return pa.RecordBatch.from_arrays([*batch.columns, *new], schema=kept.layout(channel).schema)

    def _table(self, table: pa.Table) -> pa.Table:
        new: list[list[pa.Array]] = []
        with self._lock:
            kept = self._kept(table.schema)
            channel = self._channel(kept.schema)
            table = kept.of(table)
            try:
                for batch in table.select(channel.input_schema.names).to_batches():
                    channel.send(_part(batch, channel))
                    while _is_full(channel):
                        new.append(channel.receive())
                while channel.batches_in_flight:
                    new.append(channel.receive())
            except BaseException:
                self._discard(channel)
                raise
        chunks = [
            pa.chunked_array([columns[place] for columns in new], field.type)
            for place, field in enumerate(channel.schema)
        ]
        return pa.Table.from_arrays([*table.columns, *chunks], schema=kept.layout(channel).schema)

    def _pipelined(
        self, reader: pa.RecordBatchReader, channel: Channel, kept: KeptColumns, schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        waiting: collections.deque[pa.RecordBatch] = collections.deque()

        def next_joined() -> pa.RecordBatch:
            new = channel.receive()
            return pa.RecordBatch.from_arrays([*waiting.popleft().columns, *new], schema=schema)

        try:
            for batch in map(kept.of, reader):
                channel.send(_part(batch, channel))
                waiting.append(batch)
                while _is_full(channel) or (waiting and channel.is_answering):
                    yield next_joined()
            while waiting:
                yield next_joined()
            channel.end()
        finally:
            channel.abort()

    def _kept(self, schema: pa.Schema) -> KeptColumns:
        """What the output of an input schema keeps; the last one is known. The lock is held."""
        known = self._last_kept
        if known is None or not known.input_schema.equals(schema, check_metadata=True):
            known = self._last_kept = KeptColumns(schema, self._models())
        return known

    def _channel(self, schema: pa.Schema) -> Channel:
        """The channel of an input schema, which is started where there is none. The lock is held."""
        channel = self._take(schema)
        self._channels.append(channel)
        while len(self._channels) > _KEPT_CHANNELS:
            self._channels.pop(0).end()
        return channel

    def _take(self, schema: pa.Schema) -> Channel:
        if self._closed:
            raise Usage("the Annotator is closed; make another one")
        for place, channel in enumerate(self._channels):
            if channel.input_schema.equals(_sent_schema(schema, channel.input_schema.names), check_metadata=True):
                del self._channels[place]
                if channel.is_alive:
                    return channel
                channel.abort()
                break
        return self._start(schema)

    def _start(self, schema: pa.Schema) -> Channel:
        models = self._models()
        reads = models.columns_read()
        if all(schema.get_field_index(name) >= 0 for name in reads):
            try:
                return Channel(models, _sent_schema(schema, reads))
            except LsmiError:
                # Its message is to name all columns that there are.
                if len(reads) == len(schema):
                    raise
        return Channel(models, _sent_schema(schema, schema.names))

    def _discard(self, channel: Channel) -> None:
        if channel in self._channels:
            self._channels.remove(channel)
        channel.abort()

    def _models(self) -> Models:
        """The bundle with the options, opened at the first use. The lock is held."""
        if self._opened is None:
            self._opened = open_models(self._options)
        return self._opened


#: All Annotators, for a process that is forked.
_ANNOTATORS: weakref.WeakSet[Annotator] = weakref.WeakSet()


def _forget_channels() -> None:
    """In a forked process: the threads are its parent's, and so is the lock, if one of them held it."""
    for annotator in _ANNOTATORS:
        annotator._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_channels)


def _table_of(data: Any) -> pa.Table:
    if isinstance(data, (pa.Array, pa.ChunkedArray)):
        raise Usage(f"a {type(data).__name__} is one column; give a table or batch that has all of them")
    # pandas before 2.2 has the second alone.
    if not any(hasattr(data, name) for name in ("__arrow_c_stream__", "__dataframe__")):
        raise Usage(
            f"{type(data).__name__} is no pyarrow batch, table or reader and has no __arrow_c_stream__; "
            + ("collect it" if hasattr(data, "collect") else "make it a table with pyarrow.table")
        )
    try:
        return pa.table(data)
    except pa.ArrowInvalid as error:
        raise no_table(data, error) from None


def _sent_schema(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    """The part of a schema that is sent. Metadata such as pandas' differ from batch to batch."""
    places = [schema.get_field_index(name) for name in names]
    fields = list(schema) if names == schema.names else [schema.field(place) for place in places if place >= 0]
    metadata = schema.metadata or {}
    return pa.schema(fields, {key: value for key, value in metadata.items() if key == _EXTENDED_KEY})


def _part(batch: pa.RecordBatch, channel: Channel) -> pa.RecordBatch:
    """The columns of a batch that are sent."""
    sent = channel.input_schema
    is_whole = sent.names == batch.schema.names
    columns = batch.columns if is_whole else [batch.column(batch.schema.get_field_index(name)) for name in sent.names]
    return pa.RecordBatch.from_arrays(columns, schema=sent)


def _is_full(channel: Channel) -> bool:
    return channel.batches_in_flight > 2 and channel.in_flight_bytes > _IN_FLIGHT_BYTES
