"""The Annotator: record batches in, the same rows with their new columns out.

>>> from lsmi_etl import Annotator
>>> with Annotator("lsmi-bundle", x1="image", x2="text", label="y") as annotate:
...     table = annotate(table)
...     for batch in annotate.stream(reader):
...         ...
"""

from __future__ import annotations

import collections
import json
import os
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Union

import pyarrow as pa

from lsmi_etl._channel import Channel, open_models
from lsmi_etl.errors import LsmiError, Usage

if TYPE_CHECKING:
    from typing_extensions import Self

    from lsmi_etl._native import Models

__all__ = ["Annotator"]

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
    are those that ``lsmi-etl annotate`` writes to a file, bit for bit.

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
        self._last_joined: _Joined | None = None
        _ANNOTATORS.add(self)

    def __call__(self, data: Any) -> Any:
        """Annotates a record batch, a table, a reader, or anything with ``__arrow_c_stream__``: data frames of polars
        and pandas, relations of DuckDB and so on, which become a table.

        Of a reader, each batch is answered before the next is read; :meth:`stream` is faster.
        """
        if isinstance(data, pa.RecordBatch):
            return self._batch(data)
        if isinstance(data, pa.RecordBatchReader):
            schema = self.schema(data.schema)
            return pa.RecordBatchReader.from_batches(schema, (self._batch(batch) for batch in data))
        if not isinstance(data, pa.Table):
            # pandas before 2.2 has the second alone.
            if not any(hasattr(data, name) for name in ("__arrow_c_stream__", "__dataframe__")):
                raise Usage(
                    f"{type(data).__name__} is no pyarrow batch, table or reader and has no __arrow_c_stream__; "
                    + ("collect it" if hasattr(data, "collect") else "make it a table with pyarrow.table")
                )
            data = pa.table(data)
        return self._table(data)

    def stream(self, reader: Any) -> pa.RecordBatchReader:
        """Annotates a reader, several batches at a time. The threads that do it are the stream's own, and end with
        it; ``--max-bad-rows``, ``--on-shift`` and ``--rejects`` count its rows alone.
        """
        if not isinstance(reader, pa.RecordBatchReader):
            reader = pa.RecordBatchReader.from_stream(reader)
        with self._lock:
            channel = self._take(reader.schema)
        joined = self._joined(reader.schema, channel)
        return pa.RecordBatchReader.from_batches(joined.schema, self._pipelined(reader, channel, joined))

    def schema(self, input_schema: pa.Schema) -> pa.Schema:
        """The schema of the output: the fields of the input, the new ones with their metadata, and the ``lsmi_etl.*``
        keys, which say what the values were computed with."""
        with self._lock:
            return self._joined(input_schema, self._channel(input_schema)).schema

    def close(self) -> None:
        """Ends the threads. What they find wrong with all rows together (``--max-bad-rows`` as a share,
        ``--on-shift fail``) is raised."""
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
            channel = self._channel(batch.schema)
            try:
                channel.send(_part(batch, channel))
                new = channel.receive()
            except BaseException:
                self._discard(channel)
                raise
        joined = self._joined(batch.schema, channel)
        return pa.RecordBatch.from_arrays([*joined.kept(batch.columns), *new], schema=joined.schema)

    def _table(self, table: pa.Table) -> pa.Table:
        new: list[list[pa.Array]] = []
        with self._lock:
            channel = self._channel(table.schema)
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
        joined = self._joined(table.schema, channel)
        return pa.Table.from_arrays([*joined.kept(table.columns), *chunks], schema=joined.schema)

    def _pipelined(
        self, reader: pa.RecordBatchReader, channel: Channel, joined: _Joined
    ) -> Iterator[pa.RecordBatch]:
        waiting: collections.deque[pa.RecordBatch] = collections.deque()

        def next_joined() -> pa.RecordBatch:
            new = channel.receive()
            return pa.RecordBatch.from_arrays([*joined.kept(waiting.popleft().columns), *new], schema=joined.schema)

        try:
            for batch in reader:
                channel.send(_part(batch, channel))
                waiting.append(batch)
                while _is_full(channel) or (waiting and channel.is_answering):
                    yield next_joined()
            while waiting:
                yield next_joined()
            channel.end()
        finally:
            channel.abort()

    def _joined(self, schema: pa.Schema, channel: Channel) -> _Joined:
        """The output of an input schema. That of the last one is kept: to make it takes as long as a few rows."""
        known = self._last_joined
        if known is None or known.new is not channel.schema or not known.input_schema.equals(schema, check_metadata=True):
            known = self._last_joined = _Joined(schema, channel, self._models().replaced_prefix)
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


class _Joined:
    """An output: the columns of the input, apart from those of ``replaced``, a prefix, and the new ones."""

    def __init__(self, schema: pa.Schema, channel: Channel, replaced: str | None) -> None:
        self.input_schema, self.new = schema, channel.schema
        new, metadata = channel.schema, dict(schema.metadata or {})
        gone: set[str] = set()
        if replaced is not None:
            gone = {*new.names, *_written_columns(metadata, replaced)}
            metadata = {key: value for key, value in metadata.items() if not _is_key(key.decode(), replaced)}
        self._places = [place for place, name in enumerate(schema.names) if name not in gone]
        fields = [schema.field(place) for place in self._places]
        for field in new:
            if any(field.name == old.name for old in fields):
                raise Usage(
                    f"there is a column {field.name!r} already; replace_columns=True computes it anew, "
                    'prefix="name_" gives the new columns other names'
                )
        self.schema = pa.schema([*fields, *new], {**metadata, **(new.metadata or {})})

    def kept(self, columns: Sequence[Any]) -> list[Any]:
        """The columns of an input that its output has."""
        return [columns[place] for place in self._places]


def _written_columns(metadata: Mapping[bytes, bytes], prefix: str) -> list[str]:
    """The columns that the program has written with this prefix, as the metadata of a schema say."""
    key = f"lsmi_etl.{prefix}.columns" if prefix else "lsmi_etl.columns"
    written = json.loads(metadata.get(key.encode(), b"{}"))
    return [prefix + name for name in written]


def _is_key(key: str, prefix: str) -> bool:
    """Whether a key of a schema's metadata is of the columns of this prefix."""
    parts = key.split(".")
    return parts[0] == "lsmi_etl" and parts[1:-1] == ([prefix] if prefix else []) and parts[-1] != "synth"


def _is_full(channel: Channel) -> bool:
    return channel.batches_in_flight > 2 and channel.in_flight_bytes > _IN_FLIGHT_BYTES
