"""Results of queries as Arrow record batches, read from the program while it computes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow

from lsmi_etl._program import Program

__all__ = ["QueryReader", "query_reader"]

#: The mark at the end of an Arrow IPC stream, which is read in two words.
END_OF_STREAM = (b"\xff\xff\xff\xff", b"\0\0\0\0")


class QueryReader(pyarrow.ipc.RecordBatchStreamReader):  # type: ignore[misc]
    """A reader of a query's rows. The query ends when it is closed or dropped."""

    def __init__(self, output: _Output) -> None:
        super().__init__(output)
        self._output = output

    def close(self) -> None:
        """Ends the query, of which no more rows are read."""
        super().close()
        self._output.close()

    def __exit__(self, *exception: object) -> None:
        self.close()


def query_reader(args: Sequence[str]) -> pyarrow.RecordBatchReader:
    """Runs a query until its schema is known, and returns the reader of its rows."""
    output = _Output(Program(args))
    try:
        return QueryReader(output)
    except pyarrow.ArrowInvalid:
        if not output.was_empty:
            raise
        # Statements that have no result.
        return pyarrow.RecordBatchReader.from_batches(pyarrow.schema([]), [])


class _Output:
    """The stdout of a query as a file.

    At its end, and at the mark of the stream's end, it waits for the program: a query that fails there
    raises its exception, and is not taken for one that is done.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._pipe: Any = program.process.stdout
        self._last = b""
        self.was_empty = True
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        if self.closed:
            raise ValueError("the reader of the query is closed")
        try:
            data: bytes = self._pipe.read(size)
            is_end = len(data) < size or size < 0 or (self._last, data) == END_OF_STREAM
            self._last = data
            self.was_empty = self.was_empty and not data
            if is_end:
                self._program.process.wait()
                self._program.check()
            return data
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                self._program.interrupt()
            self.close()
            raise

    def close(self) -> None:
        self.closed = True
        self._program.close()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False
