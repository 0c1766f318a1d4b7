"""A channel to a running ``lsmi-etl annotate - -``: record batches go in, their new columns come out, in order.

Both directions are Arrow IPC streams over pipes that do not block. Whoever waits for room in one of them reads
the other meanwhile, so that neither side can wait for the other forever, and any number of batches may be in
flight.
"""

from __future__ import annotations

import collections
import os
import select
import subprocess
import weakref
from collections.abc import Sequence
from typing import Union

import pyarrow as pa

from lsmi_etl._program import Program
from lsmi_etl.errors import LsmiError

__all__ = ["Channel"]

#: Bytes of a message, beyond which a batch is sent in several. Of a batch whose rows are waited for, the program
#: evaluates one message while the next is on its way; among others, fewer messages cost less.
CALL_MESSAGE_BYTES = 1 << 20
STREAM_MESSAGE_BYTES = 4 << 20
#: Rows of a message are a multiple of this, which the program's own batches are, too.
_ROW_STEP = 256
#: The size of a pipe, as far as the system grants it.
_PIPE_BYTES = 1 << 20
#: Pieces of a message below this are written together.
_PIECE_BYTES = 1 << 16
#: Milliseconds after which a wait looks whether the program still runs. Its end closes the pipes, unless a
#: process that was forked in the very moment holds them open.
_LOOK_MS = 1000
#: ``fcntl.F_SETPIPE_SZ``, a name of Python 3.10.
_F_SETPIPE_SZ = 1031

Bytes = Union[bytes, bytearray, memoryview]


class Channel:
    """A program that annotates batches of one schema.

    It is not safe for threads, and after a failure of any kind it can only be aborted: batches may be on their way.
    """

    def __init__(self, args: Sequence[str], schema: pa.Schema) -> None:
        self._owner = os.getpid()
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        try:
            for fd in (ours_out, ours_in):
                _enlarge(fd)
                os.set_blocking(fd, False)
            self._program = Program(
                ["annotate", "-", "-", "--new-columns-only", *args], stdin=theirs_in, stdout=theirs_out
            )
        except BaseException:
            os.close(ours_out)
            os.close(ours_in)
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self._out, self._in = ours_out, ours_in
        self._close_fds = weakref.finalize(self, _close, [ours_out, ours_in])
        _CHANNELS.add(self)
        self._inbox = bytearray()
        self._outbox = bytearray()
        self._answers, self._either = select.poll(), select.poll()
        self._answers.register(ours_in, select.POLLIN)
        self._either.register(ours_in, select.POLLIN)
        self._either.register(ours_out, select.POLLOUT)
        #: Messages and bytes of each batch that was sent and not received.
        self._sent: collections.deque[tuple[int, int]] = collections.deque()
        self.in_flight_bytes = 0
        self.input_schema = schema
        try:
            self._writer = pa.ipc.new_stream(pa.PythonFile(_Sink(self), "w"), schema)
            # The writer keeps the schema back until there is a batch.
            self._writer.write_batch(_empty(schema))
            self._flush()
            self._reader = pa.ipc.open_stream(pa.PythonFile(_Source(self), "r"))
            self._reader.read_next_batch()
        except BaseException:
            self.abort()
            raise
        #: The new columns, and the metadata of an output.
        self.schema: pa.Schema = self._reader.schema

    @property
    def batches_in_flight(self) -> int:
        return len(self._sent)

    @property
    def is_answering(self) -> bool:
        """Whether new columns have begun to arrive."""
        return bool(self._inbox or self._answers.poll(0))

    @property
    def is_alive(self) -> bool:
        return self._owner == os.getpid() and self._program.process.poll() is None

    def send(self, batch: pa.RecordBatch, message_bytes: int) -> None:
        """Sends a batch of the input's schema, and returns when it is in the pipe."""
        rows, size = batch.num_rows, batch.nbytes
        step = -(-rows // (size // message_bytes + 1) // _ROW_STEP) * _ROW_STEP
        messages = 0
        for first in range(0, rows, step or 1):
            self._writer.write_batch(batch.slice(first, step) if rows > step else batch)
            messages += 1
        self._flush()
        self._sent.append((messages, size))
        self.in_flight_bytes += size

    def receive(self) -> list[pa.Array]:
        """The new columns of the batch that was sent first and not received yet."""
        messages, size = self._sent.popleft()
        parts = [self._reader.read_next_batch() for _ in range(messages)]
        self.in_flight_bytes -= size
        if len(parts) == 1:
            return list(parts[0].columns)
        if not parts:
            return [pa.array([], field.type) for field in self.schema]
        return [pa.concat_arrays([part.column(place) for part in parts]) for place in range(len(self.schema))]

    def end(self) -> None:
        """Ends the stream and waits for the program; its exit code is raised."""
        try:
            self._writer.close()
            self._flush()
            os.close(self._take_fd("_out"))
            for _ in self._reader:
                pass
            self._program.wait()
        finally:
            self.abort()

    def abort(self) -> None:
        """Ends the program at once, whatever it is doing."""
        if self._owner == os.getpid() and self._program.process.poll() is None:
            self._program.process.kill()
            self._program.process.wait()
        self._close_fds()
        self._program.close()

    def forget(self) -> None:
        """In a forked process: closes its copies of the pipes, which are the parent's. The program would not see their
        end."""
        self._close_fds()
        self._program.forget()

    def _take_fd(self, name: str) -> int:
        """A descriptor that is closed by the caller."""
        fd: int = getattr(self, name)
        self._close_fds.detach()
        self._close_fds = weakref.finalize(self, _close, [self._in])
        self._out = -1
        return fd

    def write(self, piece: Bytes) -> None:
        if len(piece) < _PIECE_BYTES:
            self._outbox += piece
            if len(self._outbox) >= _PIECE_BYTES:
                self._flush()
        else:
            self._flush()
            self._write_all(memoryview(piece))

    def _flush(self) -> None:
        if self._outbox:
            piece, self._outbox = self._outbox, bytearray()
            self._write_all(memoryview(piece))

    def _write_all(self, piece: memoryview) -> None:
        piece = piece.cast("B")
        while piece:
            try:
                piece = piece[os.write(self._out, piece) :]
            except BlockingIOError:
                if self._wait(self._either):
                    self._fill()
            except BrokenPipeError:
                raise self._failure() from None

    def read(self, size: int) -> bytes:
        while len(self._inbox) < size:
            try:
                self._fill()
            except BlockingIOError:
                self._wait(self._answers)
        piece = bytes(self._inbox[:size])
        del self._inbox[:size]
        return piece

    def _fill(self) -> None:
        chunk = os.read(self._in, _PIPE_BYTES)
        if not chunk:
            raise self._failure()
        self._inbox += chunk

    def _wait(self, poll: select.poll) -> bool:
        """Waits until a pipe is ready, or closed, which shows in the read or write that follows. Returns whether it is
        that of the answers."""
        while True:
            events = poll.poll(_LOOK_MS)
            if events:
                return any(fd == self._in for fd, _ in events)
            if self._program.process.poll() is not None:
                raise self._failure()

    def _failure(self) -> LsmiError:
        """The error of a program that has closed a pipe."""
        try:
            self._program.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._program.process.kill()
        return self._program.error()


#: All channels, for a process that is forked.
_CHANNELS: weakref.WeakSet[Channel] = weakref.WeakSet()


def _forget_channels() -> None:
    for channel in _CHANNELS:
        channel.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_channels)


class _Sink:
    """The file that pyarrow writes messages to."""

    def __init__(self, channel: Channel) -> None:
        self._channel = weakref.proxy(channel)

    closed = False

    def write(self, piece: Bytes) -> int:
        self._channel.write(piece)
        return len(piece)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


class _Source:
    """The file that pyarrow reads messages from."""

    def __init__(self, channel: Channel) -> None:
        self._channel = weakref.proxy(channel)

    closed = False

    def read(self, size: int) -> bytes:
        piece: bytes = self._channel.read(size)
        return piece

    def close(self) -> None:
        pass


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    columns = schema.empty_table().columns
    return pa.RecordBatch.from_arrays([column.combine_chunks() for column in columns], schema=schema)


def _enlarge(fd: int) -> None:
    import fcntl

    try:
        fcntl.fcntl(fd, _F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:
        # Not on this system, or more than this user may have.
        pass


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        try:
            os.close(fd)
        except OSError:
            pass
