"""The operator of ``lsmi-etl sql``: queries and quality gates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from .base import LsmiOperator, typed

if TYPE_CHECKING:
    from airflow.sdk import Context


class LsmiSqlOperator(LsmiOperator):
    """Queries annotated files: ``lsmi-etl sql``.

    Returns the rows as a list of dicts, unless they are written to ``output_path``. With
    ``check`` it is a quality gate: if a value of the first row is not true, the task fails
    without retry and names the columns.

    :param sql: query, or the name of a ``.sql`` file (templated)
    :param tables: table names of files, folders or URLs (templated)
    :param check: use the first row as a quality gate
    :param output_path: file for the rows (templated)
    :param max_rows: maximum number of rows to return as XCom; the task fails if there are more
    :param options: further command-line arguments (templated)
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
        return ["sql", self.sql, *named, *typed(flags), *map(str, self.options)]

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
