"""The operator of ``lsmi-etl run``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..assets import told
from .base import LsmiOperator, typed

if TYPE_CHECKING:
    from airflow.sdk import Context


class LsmiRunOperator(LsmiOperator):
    """Annotates, checks, queries and reports as a pipeline file defines: ``lsmi-etl run``.

    Returns the run's summary: of annotating, of the steps, and of the report. Idempotent: a
    retry does what is left to do. The events of the outlets carry rows, bad rows and means; an :class:`~airflow.sdk.AssetAlias` as outlet gets the output as its asset.

    :param pipeline: pipeline file (templated)
    :param variables: values of the file's variables, as with ``--set`` (templated)
    :param cluster: ``HOST:PORT`` of a scheduler, whose executors annotate the files, or ``local:N`` (templated);
        needs a program with the feature ``cluster``, see ``executable``
    :param skip_if_nothing: skip the task and its downstream tasks if there is nothing to do
    :param options: further command-line arguments (templated)
    """

    template_fields: Sequence[str] = ("pipeline", "variables", "cluster", "options", *LsmiOperator.template_fields)
    template_fields_renderers = {**LsmiOperator.template_fields_renderers, "variables": "json"}

    def __init__(
        self,
        *,
        pipeline: str,
        variables: Mapping[str, Any] | None = None,
        cluster: str | None = None,
        skip_if_nothing: bool = True,
        options: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.variables = variables
        self.cluster = cluster
        self.skip_if_nothing = skip_if_nothing
        self.options = options

    def command_arguments(self) -> list[str]:
        variables = self.variables or {}
        set_ = [argument for name, value in variables.items() for argument in ("--set", f"{name}={value}")]
        flags = {"cluster": self.cluster, "if-nothing": "exit99" if self.skip_if_nothing else "exit0"}
        return ["run", self.pipeline, "--json", *set_, *typed(flags), *map(str, self.options)]

    def result(self, context: Context, stdout: str) -> Any:
        summary = super().result(context, stdout) or {}
        if annotated := summary.get("annotate"):
            told(self.outlets, context, annotated, annotated["output"], self.cwd)
        return summary

    def rows(self, summary: Mapping[str, Any]) -> int:
        return summary.get("annotate", {}).get("rows", 0)
