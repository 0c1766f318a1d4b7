"""A run of the program that outlives the task which started it.

Deferrable operators start the run, release their worker slot, and are resumed by a trigger
when the run has ended. They communicate through a folder that both the worker and the
triggerer can access::

    heartbeat    touched every few seconds while the run is alive
    stderr.log   log of the program
    stdout.log   output of the program
    exit.json    {"exit_code": N}, written last
    cancel       created to request the end of the run

``python -m airflow_provider_lsmi_etl.job FOLDER -- COMMAND…`` is the supervisor of the run.
This module does not import Airflow.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .process import end_group, ends_with

#: The interval between heartbeats.
BEAT_SECONDS = 2.0
#: The time without a heartbeat after which a run is considered lost.
LOST_SECONDS = 60.0


class Job:
    """The folder of one run."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def start(self, command: Sequence[str], env: Mapping[str, str], cwd: str | None) -> None:
        """Starts a new run and removes the files of an earlier one from the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._path("heartbeat").touch()
        keeper = [sys.executable, "-m", __name__, str(self.folder), "--", *command]
        # The package may be importable only through the sys.path of this interpreter.
        here = str(Path(__file__).resolve().parent.parent)
        path = os.pathsep.join(filter(None, [here, env.get("PYTHONPATH", os.environ.get("PYTHONPATH"))]))
        subprocess.Popen(
            keeper,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **env, "PYTHONPATH": path},
            cwd=cwd,
            start_new_session=True,
        )

    def is_alive(self) -> bool:
        """Whether a run is active in the folder."""
        return self.exit_code() is None and self.silent_seconds() < LOST_SECONDS

    def silent_seconds(self) -> float:
        """Seconds since the last heartbeat."""
        try:
            return time.time() - self._path("heartbeat").stat().st_mtime
        except FileNotFoundError:
            return float("inf")

    def exit_code(self) -> int | None:
        """The exit code of the run; ``None`` until it has ended."""
        try:
            return int(json.loads(self._path("exit.json").read_text())["exit_code"])
        except FileNotFoundError:
            return None

    def cancel(self) -> None:
        """Requests the end of the run."""
        if self.folder.is_dir():
            self._path("cancel").touch()

    def stdout(self) -> str:
        """The stdout of the run."""
        return self._path("stdout.log").read_text(errors="replace")

    def lines_after(self, offset: int) -> tuple[list[str], int]:
        """Complete log lines after an offset, and the offset after them."""
        try:
            with self._path("stderr.log").open("rb") as log:
                log.seek(offset)
                said = log.read()
        except FileNotFoundError:
            return [], offset
        whole = said[: said.rfind(b"\n") + 1]
        return whole.decode(errors="replace").splitlines(), offset + len(whole)

    def keep(self, command: Sequence[str]) -> None:
        """Runs the command with a heartbeat until it ends or is cancelled."""
        with self._path("stdout.log").open("wb") as out, self._path("stderr.log").open("wb") as err:
            try:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                    preexec_fn=ends_with(os.getpid()),
                )
            except OSError as error:
                err.write(f"ERROR {command[0]}: {error}\n".encode())
                self._ended(69)
                return
            while True:
                self._path("heartbeat").touch()
                if self._path("cancel").exists():
                    end_group(child)
                try:
                    self._ended(child.wait(BEAT_SECONDS))
                    return
                except subprocess.TimeoutExpired:
                    continue

    def _ended(self, code: int) -> None:
        part = self._path("exit.json.part")
        part.write_text(json.dumps({"exit_code": code}))
        part.replace(self._path("exit.json"))

    def _path(self, name: str) -> Path:
        return self.folder / name


if __name__ == "__main__":
    _, folder, _, *program = sys.argv
    Job(folder).keep(program)
