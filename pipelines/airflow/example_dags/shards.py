"""A large folder, annotated in shares by mapped tasks.

Each task processes one share of the files, balanced by bytes. Shares whose files are
annotated already are skipped; the last task queries all files.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset
from airflow_provider_lsmi_etl.operators import LsmiAnnotateOperator, LsmiSqlOperator

DATA = os.environ.get("LSMI_DATA", "/data")
SHARES = int(os.environ.get("LSMI_SHARES", "20"))

with DAG(
    "lsmi_shards",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
    doc_md=__doc__,
):
    annotate = LsmiAnnotateOperator.partial(
        task_id="annotate",
        input_path=f"{DATA}/raw",
        output_path=f"{DATA}/annotated",
        bundle=f"{DATA}/bundle",
        # One worker per task, since the tasks share the machine.
        options=["--workers", "1"],
        # Each completed share is an event of this asset, with its rows and means.
        outlets=[Asset(f"file://{DATA}/annotated")],
    ).expand(files_per_job=[f"{share}/{SHARES}" for share in range(1, SHARES + 1)])
    count = LsmiSqlOperator(
        task_id="count",
        tables={"annotated": f"{DATA}/annotated"},
        sql="SELECT count(*) AS rows, avg(r) AS r, avg(u1) AS u1, avg(u2) AS u2, avg(s) AS s FROM annotated",
        trigger_rule="none_failed",
    )
    annotate >> count
