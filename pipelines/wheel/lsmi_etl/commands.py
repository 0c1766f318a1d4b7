"""The commands of the program as functions: fit, annotate, report, sql.

Options are the flags of the command line with underscores: ``True`` gives a flag without a value, a list
repeats it, ``None`` leaves it out. ``lsmi-etl COMMAND --help`` lists them. A failure is an exception of
:mod:`lsmi_etl.errors`, by the program's exit code. Ctrl-C ends the run and leaves it resumable.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lsmi_etl._command import Location, Source, command_line, complete, locations
from lsmi_etl._decoding import decoded
from lsmi_etl.errors import Usage
from lsmi_etl.html_report import Report
from lsmi_etl.results import FitSummary, ReportSummary, Summary, Totals

if TYPE_CHECKING:
    import pyarrow

__all__ = ["annotate", "fit", "report", "sql"]

_SOURCES = "a path, a URL or Arrow data"


def fit(source: Source, bundle: Location | None = None, **options: Any) -> FitSummary:
    """Fits the models on ``source`` and writes them as a bundle.

    ``source`` is a Parquet file, folder, glob or URL, a list of them, or Arrow data: a table, a batch, a
    reader, or anything with ``__arrow_c_stream__``. ``bundle`` is the folder to write to, by default that of
    ``LSMI_ETL_BUNDLE``, else ``lsmi-bundle``.

    >>> fit("train.parquet", "lsmi-bundle", x1="image", x2="text", label="y", seed=7)
    """
    inputs = locations(source, "the training data", _SOURCES)
    args = command_line(["fit", "--json"], {**options, "bundle": bundle}, ["-"] if inputs is None else inputs, {})
    return decoded(FitSummary, complete(args, source if inputs is None else None).json)


def annotate(source: Source, target: Location, **options: Any) -> Summary | Totals:
    """Adds r, u1, u2 and s to every row of ``source`` and writes ``target``.

    ``source`` is a Parquet file, folder, glob or URL, or Arrow data, whose rows become one Parquet file. The
    result is the :class:`~lsmi_etl.results.Summary` of a file, or the :class:`~lsmi_etl.results.Totals` of
    several. A run that was interrupted goes on where it was when the same call is made again; one that is
    done already does nothing (``skipped``).

    Where files of a folder are bad, the others are annotated before
    :class:`~lsmi_etl.errors.BadData` is raised, whose ``summary`` lists them.

    >>> annotate("in.parquet", "out.parquet", bundle="lsmi-bundle", columns=["i1", "i2", "i12"])
    """
    inputs = locations(source, "the input", _SOURCES)
    if inputs is not None and len(inputs) != 1:
        raise Usage("annotate takes one input; give a folder or a glob, or annotate the files one by one")
    outputs = locations(target, "the output")
    if outputs is None or len(outputs) != 1:
        raise Usage("the output of annotate is one path or URL; lsmi_etl.Annotator gives rows in memory")
    refused = {"dry_run": "it annotates nothing; run lsmi-etl annotate --dry-run"}
    args = command_line(["annotate", "--json"], options, ["-" if inputs is None else inputs[0], *outputs], refused)
    summary = complete(args, source if inputs is None else None).json
    return decoded(Totals, summary) if "files" in summary else decoded(Summary, summary)


def report(source: Source, target: Location | None = None, **options: Any) -> Report:
    """Makes a report of annotated files: one HTML page, which a notebook shows.

    ``source`` is an annotated Parquet file, folder or glob, or a list of them. ``target`` is the file to
    write; without one the page is kept in memory. With ``format="json"`` the result has the ``numbers`` of
    the charts and no page.

    >>> report("annotated.parquet").save("report.html")
    """
    inputs = locations(source, "the annotated data")
    if inputs is None:
        raise Usage("a report is made of Parquet files; write the data to one first")
    outputs = ["-"] if target is None else locations(target, "the report")
    if outputs is None or len(outputs) != 1:
        raise Usage("the target of a report is one path")
    refused = {"output": "name the file as the second argument, target"}
    args = command_line(["report", "--json", f"--output={outputs[0]}"], options, inputs, refused)
    run = complete(args, is_shown=False)
    summary = decoded(ReportSummary, run.json)
    if options.get("format") == "json":
        text = run.before_json
        if target is not None:
            with open(outputs[0], encoding="utf-8") as written:
                text = written.read()
        return Report(summary, numbers=json.loads(text))
    if target is not None:
        return Report(summary)
    return Report(summary, page=run.before_json)


def sql(query: str, **options: Any) -> pyarrow.RecordBatchReader:
    """Runs a query over files; a quoted path, folder, glob or URL is a table.

    The rows are computed while they are read. The query ends when the reader is closed or dropped. Give
    names to files by ``table={"t": "annotated/"}``, and the models of ``lsmi(x1, x2, y)`` by ``bundle``.

    >>> sql("SELECT label, avg(s) FROM 'out.parquet' GROUP BY label").read_all()
    """
    if not isinstance(query, str):
        raise Usage(f"the query is a text, not a {type(query).__name__}")
    refused = {
        "format": "the rows are Arrow record batches",
        "output": "write a file by COPY (SELECT …) TO 'file.parquet', or from the reader",
        "file": "read it, and give its text as the query",
        "max_rows": "all rows are read; write LIMIT in the query",
    }
    args = command_line(["sql", "--format=arrow"], options, [query], refused)
    # Paths take no pyarrow, rows do.
    try:
        from lsmi_etl.query import query_reader
    except ModuleNotFoundError as error:
        raise Usage(f"sql needs the package {error.name}: pip install 'lsmi-etl[python]'") from None

    return query_reader(args)
