"""One command of the program: options as its flags, Arrow data to its stdin, progress to a display."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from subprocess import DEVNULL, PIPE
from typing import Any, Union

from lsmi_etl._program import CompletedRun, Program, arguments
from lsmi_etl.errors import LsmiError, Usage
from lsmi_etl.progress import INTERVAL_SECONDS, display

__all__ = ["Location", "Source", "command_line", "complete", "locations"]

#: A path or URL.
Location = Union[str, "os.PathLike[str]"]
#: Paths or URLs, or Arrow data: a table, a batch, a reader, or what has ``__arrow_c_stream__``.
Source = Union[Location, Sequence[Location], Any]

#: The exit code of ``if_nothing="exit99"``, which is a success.
NOTHING_TO_DO = 99


def command_line(
    command: Sequence[str], options: Mapping[str, Any], inputs: Sequence[str], refused: Mapping[str, str]
) -> list[str]:
    """The arguments of a command. Its inputs follow ``--``, since they may begin with a dash.

    Raises :class:`lsmi_etl.errors.Usage` of an option that the caller sets itself. Other names are checked by
    the program.
    """
    refused = {**_OURS, **refused}
    for name, value in options.items():
        if name in refused and value is not None and value is not False:
            raise Usage(f"the option {name} is not for a call from Python: {refused[name]}")
    return [*command, *arguments(options), "--", *inputs]


#: Options that no command of this package takes, and why.
_OURS = {
    "json": "the summary is what it returns",
    "log_format": "the log goes to the logger lsmi_etl of Python's logging",
    "help": "see docs/python.md, or lsmi-etl COMMAND --help",
}


def locations(source: Source, what: str, kinds: str = "a path or a URL") -> list[str] | None:
    """The paths of a source; ``None`` if it is Arrow data. ``kinds`` is what the message names."""
    many: list[Any] = list(source) if isinstance(source, (list, tuple)) else [source]
    if not all(isinstance(one, (str, os.PathLike)) for one in many):
        if many[0] is source and _is_arrow(source):
            return None
        found = next(one for one in many if not isinstance(one, (str, os.PathLike)))
        raise Usage(f"{what} is {kinds}, not {_article(type(found).__name__)}")
    if not many:
        raise Usage(f"{what} is an empty list; name a file, a folder or a URL")
    paths = [os.fspath(one) for one in many]
    for path in paths:
        # A path in bytes, or a stream that this process reads.
        if not isinstance(path, str):
            raise Usage(f"{what} is a path in bytes; give it as text: os.fsdecode(path)")
        if path == "-":
            raise Usage(f"{what} is -, a stream of the command line; give a reader of Arrow data, or a path")
    return paths


def complete(args: Sequence[str], data: Any | None = None, is_shown: bool = True) -> CompletedRun:
    """Runs a command to its end, with Arrow data on its stdin if there are any.

    Ctrl-C interrupts the program, waits until it has ended, and is raised then. So is an exception of the
    reader of the data.
    """
    reader = None if data is None else record_batches(data)
    shown = display() if is_shown else None
    if shown is not None:
        args = [args[0], f"--progress-every={INTERVAL_SECONDS}", *args[1:]]
    observer = shown.record if shown is not None else None
    try:
        with Program(args, stdin=DEVNULL if reader is None else PIPE, observer=observer) as program:
            with _interrupted(program):
                if reader is not None:
                    _send(reader, program.process.stdin)
                stdout = program.process.stdout
                text = stdout.read() if stdout is not None else b""
                program.process.wait()
            if program.process.returncode not in (0, NOTHING_TO_DO):
                raise _with_summary(program.error(), text)
            return CompletedRun(args, text)
    finally:
        if shown is not None:
            shown.close()


@contextmanager
def _interrupted(program: Program) -> Iterator[None]:
    try:
        yield
    except BaseException:
        # Before its stdin is closed: a part of the rows must not pass for all of them.
        program.interrupt()
        raise


def _send(reader: Any, pipe: Any) -> None:
    """Writes record batches to a program. One that ends early says why by its exit code."""
    import pyarrow

    with suppress(BrokenPipeError):
        writer = pyarrow.ipc.new_stream(pipe, reader.schema)
        for batch in reader:
            writer.write_batch(batch)
        writer.close()
    with suppress(BrokenPipeError):
        pipe.close()


def record_batches(data: Any) -> Any:
    """Arrow data as a ``pyarrow.RecordBatchReader``.

    Raises :class:`lsmi_etl.errors.Usage` where there is no pyarrow.
    """
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise Usage(f"Arrow data need the package {error.name}: pip install 'lsmi-etl[python]'") from None
    if isinstance(data, pyarrow.RecordBatchReader):
        return data
    if isinstance(data, (pyarrow.Array, pyarrow.ChunkedArray)):
        raise Usage(f"{_article(type(data).__name__)} is one column; give a table or batch that has all of them")
    try:
        if hasattr(data, "__arrow_c_stream__"):
            return pyarrow.RecordBatchReader.from_stream(data)
        batch = pyarrow.record_batch(data)
    except pyarrow.ArrowInvalid as error:
        raise no_table(data, error) from None
    return pyarrow.RecordBatchReader.from_batches(batch.schema, [batch])


def no_table(data: Any, error: Exception) -> Usage:
    """What is wrong with a series: it has the interface of a table, and is one column."""
    name = _article(type(data).__name__)
    return Usage(f"{name} is no table ({error}); give a table or data frame that has all columns")


def _is_arrow(data: Any) -> bool:
    return hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__")


def _article(name: str) -> str:
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def _with_summary(error: LsmiError, stdout: bytes) -> LsmiError:
    """A run whose files are bad, in part, has printed a summary all the same; any other the failure."""
    if stdout.startswith(b"{"):
        printed = CompletedRun([], stdout).json
        error.summary = None if "error" in printed else printed
    return error
