"""The base operator: runs the program as a task, maps its exit code, and defers."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from ..process import Process, executable, last_json, logged, trace

if TYPE_CHECKING:
    from airflow.sdk import Context

NOTHING_TO_DO = 99
#: Exit codes after which a retry would fail in the same way.
FINAL = {64: "usage", 65: "bad data", 73: "the output exists or can't be created", 78: "bad bundle"}
PASSING = {66: "no such input", 69: "engine unavailable", 70: "a fault of lsmi-etl", 74: "I/O error", 75: "interrupted"}


class LsmiOperator(BaseOperator):
    """Runs lsmi-etl with command-line arguments (templated).

    :param arguments: the command and its arguments
    :param env: additional environment variables
    :param cwd: working directory
    :param executable: the program [default: that of the wheel ``lsmi-etl``, else on PATH]
    :param deferrable: release the worker slot while the run is active
    :param job_folder: with ``deferrable``, the folder of the run's state, which both the worker
        and the triggerer must be able to access [default: a folder of the task instance below
        the system's temporary folder]
    :param poll_seconds: with ``deferrable``, the polling interval
    """

    template_fields: Sequence[str] = ("arguments", "env", "cwd", "job_folder")
    template_fields_renderers = {"arguments": "json", "env": "json"}
    ui_color = "#e8eef7"

    def __init__(
        self,
        *,
        arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        executable: str | None = None,
        deferrable: bool = False,
        job_folder: str | None = None,
        poll_seconds: float = 5.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.arguments = arguments
        self.env = env
        self.cwd = cwd
        self.executable = executable
        self.deferrable = deferrable
        self.job_folder = job_folder
        self.poll_seconds = poll_seconds
        self._process: Process | None = None

    def execute(self, context: Context) -> Any:
        """Runs the command, or starts it and defers."""
        command = self._command()
        self.log.info("running %s", " ".join(command))
        if self.deferrable:
            self._defer(context, command)
        self._process = Process(command, env=self._environment(), cwd=self.cwd)
        code, stdout = self._process.run(self._log)
        return self._finish(context, code, stdout)

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Completes the task when a deferred run has ended."""
        from ..job import Job

        code = event["exit_code"]
        if code is None:
            raise AirflowException("the run has not been heard of for a while; a retry resumes it")
        return self._finish(context, code, Job(self._folder(context)).stdout())

    def on_kill(self) -> None:
        """Terminates the run and its child processes."""
        if self._process is not None:
            self.log.info("ending the run")
            self._process.end()

    def command_arguments(self) -> list[str]:
        """The command-line arguments from the operator's parameters."""
        return [str(argument) for argument in self.arguments]

    def result(self, context: Context, stdout: str) -> Any:
        """The return value of a successful run: its summary, if it printed one."""
        return last_json(stdout)

    def rows(self, summary: Mapping[str, Any]) -> int:
        """Rows annotated by this run or an earlier try; 0 if the command does not annotate."""
        return 0

    def _log(self, line: str) -> None:
        level, said = logged(line)
        self.log.log(level, "%s", said)

    def _environment(self) -> dict[str, str]:
        return {**trace(), **(self.env or {})}

    def _command(self) -> list[str]:
        try:
            return [executable(self.executable), *self.command_arguments()]
        except FileNotFoundError as error:
            raise AirflowFailException(str(error)) from error

    def _defer(self, context: Context, command: list[str]) -> None:
        from ..job import Job
        from ..trigger import LsmiJobTrigger

        folder = self._folder(context)
        job = Job(folder)
        if job.is_alive():
            self.log.info("an earlier try's run is still at work: waiting for it")
        else:
            job.start(command, self._environment(), self.cwd)
        self.defer(
            trigger=LsmiJobTrigger(folder, self.poll_seconds),
            method_name="resume",
            timeout=self.execution_timeout,
        )

    def _folder(self, context: Context) -> str:
        if self.job_folder:
            return self.job_folder
        instance = context["ti"]
        names = (instance.dag_id, instance.run_id, instance.task_id, str(instance.map_index))
        below = (re.sub(r"[^\w.+-]", "_", name) for name in names)
        return str(Path(tempfile.gettempdir(), "lsmi-etl-jobs", *below))

    def _finish(self, context: Context, code: int, stdout: str) -> Any:
        if code == 0:
            return self.result(context, stdout)
        if code == NOTHING_TO_DO:
            # The work of an earlier try, or of the task before it was cleared, counts as the task's
            # own, so that its downstream tasks run.
            if context["ti"].try_number > 1 and self.rows(last_json(stdout) or {}) > 0:
                self.log.info("an earlier try has done it all")
                return self.result(context, stdout)
            raise AirflowSkipException("nothing to do")
        if code in FINAL:
            raise AirflowFailException(f"lsmi-etl ended with {code} ({FINAL[code]}); see the log above")
        if code < 0:
            raise AirflowException(f"lsmi-etl was ended by signal {-code}; a retry goes on where it was")
        raise AirflowException(f"lsmi-etl ended with {code} ({PASSING.get(code, 'unknown')}); see the log above")


def repeated(flag: str, values: Sequence[str]) -> list[str]:
    """A command-line flag that is given once for each value."""
    return [part for value in values for part in (f"--{flag}", str(value))]


def typed(flags: Mapping[str, Any]) -> list[str]:
    """Command-line flags; those without a value are omitted."""
    given = ((name, value) for name, value in flags.items() if value is not None and value is not False)
    return [part for name, value in given for part in ([f"--{name}"] if value is True else [f"--{name}", str(value)])]
