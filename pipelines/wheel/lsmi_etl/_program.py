"""The program of this package as a child process: where it is, how it starts and ends, and its exit code
as an exception.

A child runs in a session of its own, so that Ctrl-C reaches Python alone, and gets this process' id in
``LSMI_ETL_PARENT``: it ends when that process does, however that ends.
"""

from __future__ import annotations

import collections
import contextlib
import json
import logging
import numbers
import os
import re
import signal
import subprocess
import sys
import sysconfig
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Union

from lsmi_etl._log import log_record, record_of
from lsmi_etl.errors import LsmiError, NoInput, Usage, error_of

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["CompletedRun", "Program", "arguments", "find_lsmi_etl_bin", "run"]

#: A stream of a child, as :class:`subprocess.Popen` takes it.
Stream = Union[int, Any, None]
#: A receiver of the records of log lines: ``level``, ``message`` and other fields.
Observer = Callable[[Mapping[str, Any]], None]

log = logging.getLogger("lsmi_etl")

#: Lines of stderr that are kept for a message.
_KEPT_LINES = 40
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def find_lsmi_etl_bin() -> str:
    """The path of the program: ``LSMI_ETL_BIN``, else the one that was installed with this package.

    Raises ``FileNotFoundError``, which says where it was looked for.
    """
    given = os.environ.get("LSMI_ETL_BIN")
    if given:
        if os.path.isfile(given):
            return given
        raise FileNotFoundError(f"LSMI_ETL_BIN is {given}, which is not a file; set it to the program, or unset it")
    for path in _PATHS:
        if os.path.isfile(path):
            return path
    looked = ", ".join(map(os.path.dirname, _PATHS))
    name = os.path.basename(_PATHS[0])
    raise FileNotFoundError(f"{name} is in none of {looked}; install the wheel again, or name the program with LSMI_ETL_BIN")


def _paths() -> list[str]:
    """Where the program of this package may be, best first."""
    name = "lsmi-etl" + (sysconfig.get_config_var("EXE") or "")
    user = sysconfig.get_preferred_scheme("user") if sys.version_info >= (3, 10) else f"{os.name}_user"
    package = os.path.dirname(os.path.realpath(__file__))
    folders = [
        sysconfig.get_path("scripts"),
        sysconfig.get_path("scripts", vars={"base": sys.base_prefix}),
        sysconfig.get_path("scripts", scheme=user),
        # `pip install --prefix` and `--target`
        os.path.join(package, *[os.pardir] * 4, "bin"),
        os.path.join(package, os.pardir, "bin"),
    ]
    return [os.path.normpath(os.path.join(folder, name)) for folder in folders]


#: Asked for once, by the thread that imports: before Python 3.12, sysconfig fails where several threads are the first to use it.
_PATHS = _paths()


def arguments(options: Mapping[str, Any]) -> list[str]:
    """Options as flags: ``True`` is the flag alone, a list repeats it, ``None`` and ``False`` omit it, and a
    mapping is a list of ``KEY=VALUE``.

    Raises :class:`lsmi_etl.errors.Usage` of a value that is no text, number or path, or that no argument can hold.
    """
    flags: list[str] = []
    for name, value in options.items():
        if not name.isidentifier():
            raise Usage(f"the option {name!r} is no name; options are flags with underscores, such as batch_rows")
        flag = "--" + name.replace("_", "-")
        if value is True:
            flags.append(flag)
        elif isinstance(value, Mapping):
            flags.extend(f"{flag}={key}={_text(name, one)}" for key, one in value.items())
        elif isinstance(value, (list, tuple)):
            flags.extend(f"{flag}={_text(name, one)}" for one in value)
        elif value is not None and value is not False:
            flags.append(f"{flag}={_text(name, value)}")
    for flag in flags:
        if "\0" in flag or not _is_encodable(flag):
            raise Usage(f"the option {flag[2:]!a} has a character that no argument of a program can have")
    return flags


def _is_encodable(text: str) -> bool:
    try:
        return bool(os.fsencode(text))
    except UnicodeEncodeError:
        return False


def _text(name: str, value: Any) -> str:
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(text, (str, numbers.Real)):
        return str(text)
    if hasattr(text, "__arrow_c_stream__") or hasattr(text, "__arrow_c_array__"):
        raise Usage(
            f"the option {name} takes a name or a path, not a {type(value).__name__}; "
            "give the column's name, or write the data to a file first"
        )
    raise Usage(f"the option {name} is a text, a number, a path, or a list of them; {type(value).__name__} is none")


class Program:
    """A running child. ``process`` is its :class:`subprocess.Popen`.

    Its log goes to the logger ``lsmi_etl``. An ``observer`` gets the record of each line before that, on
    another thread.
    """

    def __init__(
        self,
        args: Sequence[str],
        *,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = subprocess.PIPE,
        observer: Observer | None = None,
    ) -> None:
        try:
            program = find_lsmi_etl_bin()
        except FileNotFoundError as error:
            raise NoInput(str(error)) from None
        environment = dict(os.environ, LSMI_ETL_PARENT=str(os.getpid()))
        environment["LSMI_ETL_LOG_FORMAT"] = "json"
        ours, theirs = os.pipe()
        try:
            self.process = subprocess.Popen(
                [program, *args],
                stdin=stdin,
                stdout=stdout,
                stderr=theirs,
                env=environment,
                start_new_session=True,
            )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self._stderr = _Stderr(ours, observer)
        self._owner = os.getpid()
        self._finalizer = weakref.finalize(self, _end, self.process, self._owner)

    def wait(self) -> None:
        """Waits for the end, and raises the exception of its exit code.

        Ctrl-C interrupts the program, and is raised when the program has ended.
        """
        try:
            self.process.wait()
        except KeyboardInterrupt:
            self.interrupt()
            raise
        self.check()

    def check(self) -> None:
        """Raises the exception of the exit code of a program that has ended."""
        if self.process.returncode:
            raise self.error()

    def error(self) -> LsmiError:
        """Waits for the end; the exception of the exit code and of what was written to stderr."""
        code = self.process.wait()
        self._stderr.join()
        message, place = self._stderr.message()
        if code < 0:
            last_words = f"; its last words: {message}" if message else ""
            message = f"lsmi-etl was ended by {_signal_name(-code)}{last_words}"
        elif not message:
            message = f"lsmi-etl ended with exit code {code} and without a message"
        return error_of(code, message, place)

    def interrupt(self) -> None:
        """Asks the program to end by SIGINT, which leaves a run resumable, and waits for it."""
        if self._owner == os.getpid() and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()

    def forget(self) -> None:
        """In a forked process: the program is the parent's, which alone reads its stderr and waits for it."""
        self._finalizer.detach()
        self._stderr.close()

    def close(self) -> None:
        """Ends the program if it still runs. A copy in a forked process leaves it alone."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class CompletedRun:
    """A program that has succeeded, and its stdout."""

    def __init__(self, args: Sequence[str], stdout: bytes) -> None:
        self.args = list(args)
        self.stdout = stdout

    @property
    def json(self) -> Any:
        """What ``--json`` prints: the last line."""
        return json.loads(self._parts[1])

    @property
    def before_json(self) -> str:
        """What is printed before that."""
        return self._parts[0].decode("utf-8")

    @property
    def _parts(self) -> tuple[bytes, bytes]:
        # Not `splitlines`, which also parts at characters that a string of JSON may hold.
        before, newline, last = self.stdout.rstrip(b"\n").rpartition(b"\n")
        return before + newline, last


def run(args: Sequence[str], *, stdin: Stream = subprocess.DEVNULL) -> CompletedRun:
    """Runs the program to its end. Failures are :class:`lsmi_etl.errors.LsmiError` by exit code.

    Ctrl-C interrupts it, waits until it has ended, and is raised then.
    """
    with Program(args, stdin=stdin) as program:
        pipe = program.process.stdout
        try:
            stdout = pipe.read() if pipe is not None else b""
            program.process.wait()
        except KeyboardInterrupt:
            program.interrupt()
            raise
        finally:
            if pipe is not None:
                pipe.close()
        program.check()
        return CompletedRun(args, stdout)


class _Stderr:
    """A reader of a child's stderr, on a thread of its own: a full pipe would block the child."""

    def __init__(self, fd: int, observer: Observer | None) -> None:
        self._fd = fd
        self._observer = observer
        self._lines: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
        self._error: tuple[str, str | None] | None = None
        self._thread = threading.Thread(target=self._read, name="lsmi-etl stderr", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        rest = b""
        while True:
            chunk = os.read(self._fd, 65536)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line.decode("utf-8", "replace"))
        if rest:
            self._take(rest.decode("utf-8", "replace"))
        self.close()

    def _take(self, line: str) -> None:
        record = record_of(line)
        if record is None:
            self._lines.append(_ANSI.sub("", line).rstrip("\r"))
            return
        if record.get("level") == "ERROR":
            self._error = (record["message"], record.get("place"))
        self._observe(record)
        log_record(record)

    def _observe(self, record: Mapping[str, Any]) -> None:
        if self._observer is None:
            return
        try:
            self._observer(record)
        except Exception:
            # A display that fails must not end a run, which waits for this thread to read.
            log.debug("the display of progress failed", exc_info=True)
            self._observer = None

    def close(self) -> None:
        """Closes the pipe, once: its number may be another file's afterwards."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def join(self) -> None:
        # What the child has started may hold its stderr open.
        self._thread.join(timeout=2)

    def message(self) -> tuple[str, str | None]:
        """The error's message and place."""
        if self._error is not None:
            return self._error
        lines = list(self._lines)
        starts = [number for number, line in enumerate(lines) if re.match(r"\s*ERROR |error: ", line)]
        text = "\n".join(lines[starts[-1] :] if starts else lines[-10:])
        return re.sub(r"^\s*ERROR ", "", text).strip(), None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    if owner != os.getpid():
        return
    # First: a program that waits for a reader then ends at once.
    _close(process.stdout)
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    _close(process.stdin)


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()
