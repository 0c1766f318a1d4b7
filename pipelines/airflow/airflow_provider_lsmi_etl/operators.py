"""lsmi-etl's jobs as Airflow tasks.

Every operator runs one command, hands its messages on to the task's log as they come,
and returns its summary, which Airflow keeps as XCom. Exit codes decide what follows:

=====================  ==================================================
99                     nothing to do: the task is skipped
64, 65, 73, 78         usage, data, output, bundle: fails, without retry
all others, signals    fails; a retry goes on where the run was
=====================  ==================================================
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import Asset, AssetAlias, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from .process import Process, executable, last_json, logged, trace

if TYPE_CHECKING:
    from airflow.sdk import Context

NOTHING_TO_DO = 99
#: Running again would give the same.
FINAL = {64: "usage", 65: "bad data", 73: "the output exists or can't be created", 78: "bad bundle"}
PASSING = {66: "no such input", 69: "engine unavailable", 70: "a fault of lsmi-etl", 74: "I/O error", 75: "interrupted"}


class LsmiOperator(BaseOperator):
    """Runs lsmi-etl with arguments as they would be typed. (templated)

    :param arguments: the command and its arguments
    :param env: environment variables, added to the worker's
    :param cwd: the folder to run in
    :param executable: the program [default: that of the wheel ``lsmi-etl``, else of PATH]
    :param deferrable: leave the worker's slot while the run goes on
    :param job_folder: with ``deferrable``, where the run's state is kept; worker and
        triggerer must both see it [default: a folder of the task try below the system's
        temporary folder]
    :param poll_seconds: with ``deferrable``, between two looks at the run
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
        """Goes on when a deferred run has ended."""
        from .job import Job

        code = event["exit_code"]
        if code is None:
            raise AirflowException("the run has not been heard of for a while; a retry resumes it")
        return self._finish(context, code, Job(self._folder(context)).stdout())

    def on_kill(self) -> None:
        """Ends the run with all that it has started."""
        if self._process is not None:
            self.log.info("ending the run")
            self._process.end()

    def command_arguments(self) -> list[str]:
        """The arguments, from the operator's parameters."""
        return [str(argument) for argument in self.arguments]

    def result(self, context: Context, stdout: str) -> Any:
        """What a run that went well returns: its summary, where it printed one."""
        return last_json(stdout)

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
        from .job import Job
        from .trigger import LsmiJobTrigger

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
            raise AirflowSkipException("nothing to do")
        if code in FINAL:
            raise AirflowFailException(f"lsmi-etl ended with {code} ({FINAL[code]}); see the log above")
        if code < 0:
            raise AirflowException(f"lsmi-etl was ended by signal {-code}; a retry goes on where it was")
        raise AirflowException(f"lsmi-etl ended with {code} ({PASSING.get(code, 'unknown')}); see the log above")


class LsmiAnnotateOperator(LsmiOperator):
    """Adds r, u1, u2 and s to Parquet files: ``lsmi-etl annotate``.

    Returns the run's summary (rows, bad rows, means). Idempotent: what an earlier try
    has computed is not computed again, and an output that is whole is left as it is.
    Maps well: ``.partial(…).expand(files_per_job=["1/20", …])`` or over inputs.

    Where ``output_path`` is not templated and no outlets are given, it becomes the task's
    outlet and ``input_path`` its inlet. Every outlet's event carries rows, bad rows and
    means; an :class:`~airflow.sdk.AssetAlias` as outlet gets the output as its asset.

    :param input_path: file, folder, glob or URL (templated)
    :param output_path: file, folder or URL (templated)
    :param bundle: the models (templated) [default: ``LSMI_ETL_BUNDLE``, ``lsmi-bundle``]
    :param x1_column: embedding column of the first modality [default: the bundle's]
    :param x2_column: of the second
    :param label_column: label column [default: the bundle's]
    :param columns: more columns to add: i1, i2, i12, h1, h2, p_y
    :param on_bad_row: ``null`` or ``fail``
    :param max_bad_rows: fail where more are bad: a number or a share such as ``0.5%``
    :param rejects: where bad rows are written to (templated)
    :param adjust: ``none`` or ``dataset``
    :param files_per_job: ``I/N``, a share of the files (templated)
    :param overwrite: replace outputs made of other input or by another bundle
    :param skip_if_nothing: skip the task, and what follows, where there is nothing to do
    :param options: more arguments as they would be typed (templated)
    """

    template_fields: Sequence[str] = (
        "input_path",
        "output_path",
        "bundle",
        "x1_column",
        "x2_column",
        "label_column",
        "max_bad_rows",
        "rejects",
        "files_per_job",
        "options",
        *LsmiOperator.template_fields,
    )

    def __init__(
        self,
        *,
        input_path: str,
        output_path: str,
        bundle: str | None = None,
        x1_column: str | None = None,
        x2_column: str | None = None,
        label_column: str | None = None,
        columns: Sequence[str] = (),
        on_bad_row: str | None = None,
        max_bad_rows: str | int | None = None,
        rejects: str | None = None,
        adjust: str | None = None,
        files_per_job: str | None = None,
        overwrite: bool = False,
        skip_if_nothing: bool = True,
        options: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        if not kwargs.get("outlets") and not _is_templated(output_path):
            kwargs["outlets"] = [Asset(uri=_uri(output_path))]
            if not kwargs.get("inlets") and not _is_templated(input_path):
                kwargs["inlets"] = [Asset(uri=_uri(input_path))]
        super().__init__(**kwargs)
        self.input_path = input_path
        self.output_path = output_path
        self.bundle = bundle
        self.x1_column = x1_column
        self.x2_column = x2_column
        self.label_column = label_column
        self.columns = columns
        self.on_bad_row = on_bad_row
        self.max_bad_rows = max_bad_rows
        self.rejects = rejects
        self.adjust = adjust
        self.files_per_job = files_per_job
        self.overwrite = overwrite
        self.skip_if_nothing = skip_if_nothing
        self.options = options

    def command_arguments(self) -> list[str]:
        flags = {
            "bundle": self.bundle,
            "x1": self.x1_column,
            "x2": self.x2_column,
            "label": self.label_column,
            "columns": ",".join(self.columns) or None,
            "on-bad-row": self.on_bad_row,
            "max-bad-rows": self.max_bad_rows,
            "rejects": self.rejects,
            "adjust": self.adjust,
            "files-per-job": self.files_per_job,
            "overwrite": self.overwrite,
            "if-nothing": "exit99" if self.skip_if_nothing else "exit0",
        }
        return ["annotate", self.input_path, self.output_path, "--json", *_typed(flags), *map(str, self.options)]

    def result(self, context: Context, stdout: str) -> Any:
        summary = super().result(context, stdout) or {}
        columns = summary.get("columns", {})
        extra = {
            "rows": summary.get("rows"),
            "bad_rows": summary.get("bad_rows"),
            "means_nats": {name: column.get("mean") for name, column in columns.items()},
            "bundle_sha256": summary.get("bundle_sha256"),
        }
        for outlet in self.outlets:
            event = context["outlet_events"][outlet]
            if isinstance(outlet, AssetAlias):
                event.add(Asset(uri=_uri(self.output_path)), extra=extra)
            elif isinstance(outlet, Asset):
                event.extra.update(extra)
        return summary


class LsmiFitOperator(LsmiOperator):
    """Trains a bundle on a Parquet file: ``lsmi-etl fit``.

    Returns the bundle's path, hash and validation figures.

    :param train: the file to learn from (templated)
    :param bundle: the folder to write (templated)
    :param x1_column: embedding column of the first modality [default: found in the schema]
    :param x2_column: of the second
    :param label_column: label column
    :param units: ``raw`` or ``centred``
    :param density_fit: ``em`` or ``sgd``
    :param max_rows: rows to train on at most
    :param seed: decides sample, split and starts
    :param overwrite: replace the bundle where it exists
    :param options: more arguments as they would be typed (templated)
    """

    template_fields: Sequence[str] = (
        "train",
        "bundle",
        "x1_column",
        "x2_column",
        "label_column",
        "options",
        *LsmiOperator.template_fields,
    )

    def __init__(
        self,
        *,
        train: str,
        bundle: str,
        x1_column: str | None = None,
        x2_column: str | None = None,
        label_column: str | None = None,
        units: str | None = None,
        density_fit: str | None = None,
        max_rows: int | None = None,
        seed: int | None = None,
        overwrite: bool = False,
        options: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.train = train
        self.bundle = bundle
        self.x1_column = x1_column
        self.x2_column = x2_column
        self.label_column = label_column
        self.units = units
        self.density_fit = density_fit
        self.max_rows = max_rows
        self.seed = seed
        self.overwrite = overwrite
        self.options = options

    def command_arguments(self) -> list[str]:
        flags = {
            "bundle": self.bundle,
            "x1": self.x1_column,
            "x2": self.x2_column,
            "label": self.label_column,
            "units": self.units,
            "density-fit": self.density_fit,
            "max-rows": self.max_rows,
            "seed": self.seed,
            "overwrite": self.overwrite,
        }
        return ["fit", self.train, "--json", *_typed(flags), *map(str, self.options)]


class LsmiSqlOperator(LsmiOperator):
    """Asks annotated tables: ``lsmi-etl sql``.

    Returns the rows as a list of dicts, unless they go to ``output_path``. With ``check`` it
    is a quality gate: every value of the first row must be true, or the task fails
    without retry and names those that are not.

    :param sql: the query, or the name of a ``.sql`` file (templated)
    :param tables: names for files, folders or URLs (templated)
    :param check: whether the first row decides
    :param output_path: a file for the rows (templated)
    :param max_rows: more rows than these are not for XCom: the task fails and says so
    :param options: more arguments as they would be typed (templated)
    """

    template_fields: Sequence[str] = ("sql", "tables", "output_path", "options", *LsmiOperator.template_fields)
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {**LsmiOperator.template_fields_renderers, "sql": "sql", "tables": "json"}

    def __init__(
        self,
        *,
        sql: str,
        tables: Mapping[str, str] | None = None,
        check: bool = False,
        output_path: str | None = None,
        max_rows: int = 1000,
        options: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.tables = tables
        self.check = check
        self.output_path = output_path
        self.max_rows = max_rows
        self.options = options

    def command_arguments(self) -> list[str]:
        tables = [f"{name}={path}" for name, path in (self.tables or {}).items()]
        flags = {"output": self.output_path} if self.output_path else {"format": "ndjson"}
        named = [argument for table in tables for argument in ("--table", table)]
        return ["sql", self.sql, *named, *_typed(flags), *map(str, self.options)]

    def result(self, context: Context, stdout: str) -> Any:
        if self.output_path:
            return {"output": self.output_path}
        lines = [line for line in stdout.splitlines() if line.strip()]
        if len(lines) > self.max_rows:
            raise AirflowFailException(
                f"{len(lines)} rows are more than max_rows={self.max_rows}; write them to a file with output_path="
            )
        rows = [json.loads(line) for line in lines]
        if self.check:
            if not rows:
                raise AirflowFailException("the check gave no row")
            self.log.info("checked: %s", rows[0])
            if wrong := [name for name, value in rows[0].items() if not value]:
                raise AirflowFailException(f"not true: {', '.join(wrong)}; the row is {rows[0]}")
        return rows


def _typed(flags: Mapping[str, Any]) -> list[str]:
    """Flags as they are typed; those without a value are left out."""
    given = ((name, value) for name, value in flags.items() if value is not None and value is not False)
    return [part for name, value in given for part in ([f"--{name}"] if value is True else [f"--{name}", str(value)])]


def _is_templated(text: Any) -> bool:
    return not isinstance(text, str) or "{{" in text or "{%" in text


def _uri(path: str) -> str:
    """A path as an asset's URI, in which ``key=value`` folders stay readable."""
    return path if "://" in path else f"file://{quote(str(Path(path).absolute()), safe='/=')}"
