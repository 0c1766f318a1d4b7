"""A channel to threads of the native module that annotate: record batches go in, their new columns come out, in
order. Any number of batches may be in flight.
"""

from __future__ import annotations

import atexit
import collections
import os
import threading
import weakref
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lsmi_etl._log import log_record, record_of
from lsmi_etl._program import arguments, find_lsmi_etl_bin
from lsmi_etl.errors import Usage

# Builds of ONNX Runtime collect usage data as soon as they are loaded, unless this is set before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

try:
    from lsmi_etl import _native
except ImportError as error:
    raise ImportError(
        f"the native module of lsmi_etl can't be loaded ({error}); install the wheel for this platform again"
    ) from error

__all__ = ["Channel", "open_models"]

#: Held while models are loaded. A fork waits for it: a library that is being loaded holds locks, and a child would have
#: the locks without the threads that release them. The thread that loads may fork itself, in a handler of a signal.
_loading = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_loading.acquire, after_in_parent=_loading.release, after_in_child=_loading.release)


def open_models(options: Mapping[str, Any]) -> _native.Models:
    """The models of a bundle with the options of ``annotate``. ONNX Runtime is that which the program finds."""
    if options.get("new_columns_only"):
        raise Usage("the option new_columns_only is of files; select layout(schema).new.names of what comes back")
    flags = arguments(options)
    try:
        program = find_lsmi_etl_bin()
    except FileNotFoundError:
        program = None
    try:
        with _loading:
            return _native.Models(flags, program)
    finally:
        _log()


class Channel:
    """An exchange of batches of one schema.

    It is not safe for threads, and after a failure of any kind it can only be aborted: batches may be on their way.
    """

    def __init__(self, models: _native.Models, schema: pa.Schema) -> None:
        self.input_schema = schema
        #: Bytes of each batch that was sent and not received.
        self._sent: collections.deque[int] = collections.deque()
        self.in_flight_bytes = 0
        try:
            with _loading:
                self._native = models.channel(schema)
        finally:
            _log()
        #: The new columns, and the metadata of an output.
        self.schema: pa.Schema = self._native.schema
        _CHANNELS.add(self)

    @property
    def batches_in_flight(self) -> int:
        return len(self._sent)

    @property
    def is_answering(self) -> bool:
        """Whether new columns have arrived."""
        return self._native.is_answering

    @property
    def is_alive(self) -> bool:
        """Whether it runs, in this process and not in the one that this was forked from."""
        return self._native.is_alive

    def send(self, batch: pa.RecordBatch) -> None:
        """Sends a batch of the input's schema, which is not copied."""
        self._native.send(batch)
        size = batch.nbytes
        self._sent.append(size)
        self.in_flight_bytes += size

    def receive(self) -> list[pa.Array]:
        """The new columns of the batch that was sent first and not received yet."""
        new = self._native.receive()
        self.in_flight_bytes -= self._sent.popleft()
        _log()
        return new

    def end(self) -> None:
        """Ends the exchange. What is wrong with all rows together is raised."""
        try:
            self._native.end()
        finally:
            _log()

    def abort(self) -> None:
        """Ends the exchange at once, whatever it is doing."""
        self._native.abort()
        _log()


#: Those whose threads run, or have run.
_CHANNELS: weakref.WeakSet[Channel] = weakref.WeakSet()


def _abort_all() -> None:
    """Before the interpreter ends, and ONNX Runtime with it: no thread is to be in either."""
    for channel in list(_CHANNELS):
        channel.abort()


atexit.register(_abort_all)


def _log() -> None:
    for line in _native.take_log_lines():
        record = record_of(line)
        if record is not None:
            log_record(record)
