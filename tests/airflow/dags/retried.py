"""The operators where something goes wrong; retries come at once."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG
from airflow_provider_lsmi_etl.operators import LsmiAnnotateOperator, LsmiRunOperator, LsmiSqlOperator

DATA = os.environ["LSMI_DATA"]


def dag(name: str) -> DAG:
    return DAG(
        name,
        schedule=None,
        start_date=datetime(2026, 1, 1),
        default_args={"retries": 2, "retry_delay": timedelta(seconds=0)},
    )


def annotate(**kwargs) -> LsmiAnnotateOperator:
    return LsmiAnnotateOperator(
        task_id="annotate",
        input_path=f"{DATA}/in.parquet",
        output_path=f"{DATA}/out.parquet",
        bundle=f"{DATA}/bundle",
        options=["--workers", "1"],
        **kwargs,
    )


with dag("killed"):
    annotate()

with dag("deferred"):
    annotate(deferrable=True, job_folder=f"{DATA}/job", poll_seconds=0.5)

with dag("night"):
    LsmiRunOperator(
        task_id="night",
        pipeline="{{ params.pipeline }}",
        params={"pipeline": "night.toml"},
        variables={"least": 100},
        cwd=DATA,
        deferrable=True,
        job_folder=f"{DATA}/job",
        poll_seconds=0.5,
    )

with dag("lost"):
    # The run ends well, and the task is killed before it can say so.
    annotate(executable=f"{DATA}/killed-at-the-end") >> LsmiSqlOperator(
        task_id="count",
        tables={"annotated": f"{DATA}/out.parquet"},
        sql="SELECT count(*) AS rows FROM annotated",
    )


def annotate_folder(**kwargs) -> LsmiAnnotateOperator:
    return LsmiAnnotateOperator(
        task_id="annotate",
        input_path=f"{DATA}/in",
        output_path=f"{DATA}/out",
        bundle=f"{DATA}/bundle",
        no_page_checksums=True,
        **kwargs,
    )


with dag("bad_file"):
    annotate_folder()

with dag("bad_file_skipped"):
    annotate_folder(on_bad_file="{{ params.bad }}", params={"bad": "skip"})

with dag("gate"):
    LsmiSqlOperator(
        task_id="gate",
        check=True,
        tables={"annotated": f"{DATA}/out.parquet"},
        sql="SELECT count(*) > 0 AS has_rows, count(*) < 0 AS has_fewer_than_none FROM annotated",
    )
