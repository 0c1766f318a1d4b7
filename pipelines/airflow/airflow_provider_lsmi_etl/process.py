"""The program as a child process. This module does not import Airflow.

The child leads a process group of its own, so that its own children end with it. Its log
(stderr) is forwarded line by line; its stdout is kept in a file and read when it has ended.
If the task's process dies for any reason, the child is terminated gracefully (Linux), since it
would otherwise block the output for the next try.
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

#: Seconds that lsmi-etl has after SIGTERM to finish the row group and write the journal,
#: before it is killed.
GRACE_SECONDS = 15.0


# Loaded here, since libraries must not be loaded between fork and exec.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def ends_with(parent: int) -> Callable[[], None] | None:
    """The pre-exec function that makes the child end when its parent ends."""
    if _LIBC is None:
        return None

    def ends() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(75)

    return ends


def executable(named: str | None = None) -> str:
    """The path of the program: the given one, else that of the wheel ``lsmi-etl``, else on PATH.

    Raises ``FileNotFoundError`` if there is none.
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
    """The level and the text of a log line of the program, in text or JSON format."""
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
    """Environment variables that make the task's span, if any, the parent of the program's spans."""
    try:
        from opentelemetry.propagate import inject
    except ImportError:
        return {}
    carrier: dict[str, str] = {}
    inject(carrier)
    return {name.upper(): carrier[name] for name in ("traceparent", "tracestate") if name in carrier}


def last_json(stdout: str) -> dict[str, Any] | None:
    """The last line of stdout, if it is a JSON object."""
    lines = [line for line in stdout.splitlines() if line.strip()]
    try:
        value = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def end_group(process: subprocess.Popen[bytes], grace_seconds: float = GRACE_SECONDS) -> None:
    """Sends SIGTERM to a process group, and SIGKILL after the grace period."""
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
        """Runs the program; returns the exit code (negative for a signal) and stdout."""
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
        """Terminates the run gracefully."""
        if self._child is not None and self._child.poll() is None:
            end_group(self._child)
