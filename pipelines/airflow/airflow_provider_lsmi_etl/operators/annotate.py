"""The operator of ``lsmi-etl annotate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from ..assets import is_known, told, uri
from .base import LsmiOperator, repeated, typed

if TYPE_CHECKING:
    from airflow.sdk import Context


class LsmiAnnotateOperator(LsmiOperator):
    """Adds r, u1, u2 and s (of three modalities r, u1, u2, u3 and s) to Parquet files: ``lsmi-etl annotate``.

    Returns the run's summary (rows, bad rows, means). Idempotent: a retry resumes from the
    journal, and a complete output is left unchanged. Suited to task mapping:
    ``.partial(…).expand(files_per_job=["1/20", …])`` or over inputs.

    If ``output_path`` is not templated and no outlets are given, it becomes the task's
    outlet and ``input_path`` its inlet. The event of every outlet carries rows, bad rows and
    means; an :class:`~airflow.sdk.AssetAlias` as outlet gets the output as its asset.

    :param input_path: file, folder, glob or URL (templated)
    :param output_path: file, folder or URL (templated)
    :param bundle: bundle of models, a folder or URL (templated) [default: ``LSMI_ETL_BUNDLE``,
        else ``lsmi-bundle``]
    :param x1_column: embedding column of the first modality [default: the bundle's]
    :param x2_column: embedding column of the second modality
    :param x_columns: embedding columns of all modalities in the bundle's order, in place of ``x1_column`` and
        ``x2_column`` (templated); a name with a comma stands in double quotes, as on the command line
    :param label_column: label column [default: the bundle's]
    :param columns: additional columns: i1, i2, i12, h1, h2, prior_y, p_y1, p_y2, p_y12, fold; of three modalities i_1 to i_123, h_1 to
        h_23, atoms
    :param on_bad_row: ``null`` or ``fail``
    :param prefix: prefix of the names of all new columns, such as ``img_txt_``
    :param on_missing_modality: ``null`` or ``reduce``: what a row gets whose embedding of some modality is null
        (templated)
    :param max_bad_rows: maximum number or share (``0.5%``) of bad rows
    :param on_bad_file: ``fail`` (the other files are annotated, then the task fails without retry) or
        ``skip`` (the other files are annotated; ``bad_files`` of the summary names it) (templated)
    :param on_shift: ``warn`` or ``fail``: what rows do that the models do not describe (templated)
    :param no_page_checksums: do not compare the pages of the input with their checksums
    :param rejects: file or folder for the bad rows (templated)
    :param adjust: ``none`` or ``dataset`` (of two modalities)
    :param files_per_job: ``I/N``, a share of the files (templated)
    :param cluster: ``HOST:PORT`` of a scheduler, whose executors annotate the files, or ``local:N`` (templated);
        needs a program with the feature ``cluster``, see ``executable``
    :param overwrite: replace outputs made from other input or by another bundle
    :param verify_inputs: compare all of every input with the output made of it, before it is taken for done
    :param skip_if_nothing: skip the task and its downstream tasks if there is nothing to do
    :param options: further command-line arguments (templated)
    """

    template_fields: Sequence[str] = (
        "input_path",
        "output_path",
        "bundle",
        "x1_column",
        "x2_column",
        "x_columns",
        "label_column",
        "prefix",
        "on_missing_modality",
        "max_bad_rows",
        "on_bad_file",
        "on_shift",
        "rejects",
        "files_per_job",
        "cluster",
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
        x_columns: Sequence[str] = (),
        label_column: str | None = None,
        columns: Sequence[str] = (),
        on_bad_row: str | None = None,
        prefix: str | None = None,
        on_missing_modality: str | None = None,
        max_bad_rows: str | int | None = None,
        on_bad_file: str | None = None,
        on_shift: str | None = None,
        no_page_checksums: bool = False,
        rejects: str | None = None,
        adjust: str | None = None,
        files_per_job: str | None = None,
        cluster: str | None = None,
        overwrite: bool = False,
        verify_inputs: bool = False,
        skip_if_nothing: bool = True,
        options: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        cwd = kwargs.get("cwd")
        if not kwargs.get("outlets") and is_known(output_path, cwd):
            kwargs["outlets"] = [Asset(uri=uri(output_path, cwd))]
            if not kwargs.get("inlets") and is_known(input_path, cwd):
                kwargs["inlets"] = [Asset(uri=uri(input_path, cwd))]
        super().__init__(**kwargs)
        self.input_path = input_path
        self.output_path = output_path
        self.bundle = bundle
        self.x1_column = x1_column
        self.x2_column = x2_column
        self.x_columns = x_columns
        self.label_column = label_column
        self.columns = columns
        self.on_bad_row = on_bad_row
        self.prefix = prefix
        self.on_missing_modality = on_missing_modality
        self.max_bad_rows = max_bad_rows
        self.on_bad_file = on_bad_file
        self.on_shift = on_shift
        self.no_page_checksums = no_page_checksums
        self.rejects = rejects
        self.adjust = adjust
        self.files_per_job = files_per_job
        self.cluster = cluster
        self.overwrite = overwrite
        self.verify_inputs = verify_inputs
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
            "prefix": self.prefix,
            "on-missing-modality": self.on_missing_modality,
            "max-bad-rows": self.max_bad_rows,
            "on-bad-file": self.on_bad_file,
            "on-shift": self.on_shift,
            "no-page-checksums": self.no_page_checksums,
            "rejects": self.rejects,
            "adjust": self.adjust,
            "files-per-job": self.files_per_job,
            "cluster": self.cluster,
            "overwrite": self.overwrite,
            "verify-inputs": self.verify_inputs,
            "if-nothing": "exit99" if self.skip_if_nothing else "exit0",
        }
        named = [*typed(flags), *repeated("x", self.x_columns)]
        return ["annotate", self.input_path, self.output_path, "--json", *named, *map(str, self.options)]

    def result(self, context: Context, stdout: str) -> Any:
        summary = super().result(context, stdout) or {}
        told(self.outlets, context, summary, self.output_path, self.cwd)
        return summary

    def rows(self, summary: Mapping[str, Any]) -> int:
        return summary.get("rows", 0)
