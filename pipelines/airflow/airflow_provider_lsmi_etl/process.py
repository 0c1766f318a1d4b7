"""The program as a child process. Nothing of Airflow is imported here.

The child leads a process group of its own, so that whatever it starts ends with it.
Its messages (stderr) are handed on line by line as they come; what it prints (stdout)
is kept in a file and read when it has ended. Where its task's process is gone, however
it went, the child ends in order (Linux): it would keep the next try from its output.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: Seconds within which lsmi-etl ends after SIGTERM: the row group is finished and the
#: journal written. What takes longer is killed.
GRACE_SECONDS = 15.0


# Loaded here: between fork and exec nothing may be.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def ends_with(parent: int) -> Callable[[], None] | None:
    """What a child calls before it becomes the program, so that its parent's end ends it."""
    if _LIBC is None:
        return None

    def ends() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(75)

    return ends


def executable(named: str | None = None) -> str:
    """The program: the one named, else that of the wheel ``lsmi-etl``, else that on PATH.

    Raises ``FileNotFoundError`` where there is none.
    """
    if named:
        return named
    try:
        from lsmi_etl import find_lsmi_etl_bin

        return os.fspath(find_lsmi_etl_bin())
    except (ImportError, FileNotFoundError):
        pass
    if found := shutil.which("lsmi-etl"):
        return found
    raise FileNotFoundError(
        "lsmi-etl is neither installed in this environment nor on PATH; `pip install lsmi-etl[cpu]`, "
        "or name it with executable="
    )


def logged(line: str) -> tuple[int, str]:
    """The level of a line that the program logged, and the line; of one in JSON, the message."""
    word = line.split(maxsplit=1)[0] if line.strip() else ""
    if line.startswith("{"):
        try:
            said = json.loads(line)
            word, line = said["level"], said["message"]
        except (ValueError, KeyError):
            pass
    levels = {"ERROR": logging.ERROR, "WARN": logging.WARNING, "DEBUG": logging.DEBUG, "TRACE": logging.DEBUG}
    return levels.get(word, logging.INFO), line


def trace() -> dict[str, str]:
    """Variables by which the program's spans become part of the task's, where there are any."""
    try:
        from opentelemetry.propagate import inject
    except ImportError:
        return {}
    carrier: dict[str, str] = {}
    inject(carrier)
    return {name.upper(): carrier[name] for name in ("traceparent", "tracestate") if name in carrier}


def last_json(stdout: str) -> dict[str, Any] | None:
    """The last line of what was printed, where it is a JSON object."""
    lines = [line for line in stdout.splitlines() if line.strip()]
    try:
        value = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def end_group(process: subprocess.Popen[bytes], grace_seconds: float = GRACE_SECONDS) -> None:
    """Asks a process group to end, and kills what is left of it after a while."""
    for sign, patience in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, sign)
            process.wait(patience)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


class Process:
    """One run of the program."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        self.command = list(command)
        self.env = {**os.environ, **(env or {})}
        self.cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, each_line: Callable[[str], None]) -> tuple[int, str]:
        """Runs to the end; the exit code (minus the signal's number) and stdout."""
        with tempfile.TemporaryFile() as stdout:
            self._child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
                preexec_fn=ends_with(os.getpid()),
            )
            assert self._child.stderr is not None
            with self._child.stderr as stderr:
                for line in stderr:
                    each_line(line.decode(errors="replace").rstrip())
            code = self._child.wait()
            stdout.seek(0)
            return code, stdout.read().decode(errors="replace")

    def end(self) -> None:
        """Ends the run, in order where it can be."""
        if self._child is not None and self._child.poll() is None:
            end_group(self._child)
