"""A nightly partition: annotate, check, report.

Reads ``$LSMI_DATA/raw/ds=…``, writes ``$LSMI_DATA/annotated/ds=…``. A night without
data is skipped; a task that was killed resumes when it is retried.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, AssetAlias
from airflow_provider_lsmi_etl.operators import LsmiAnnotateOperator, LsmiOperator, LsmiSqlOperator

DATA = os.environ.get("LSMI_DATA", "/data")
PARTITION = "ds={{ ds }}"

with DAG(
    "lsmi_nightly",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
    doc_md=__doc__,
):
    annotate = LsmiAnnotateOperator(
        task_id="annotate",
        input_path=f"{DATA}/raw/{PARTITION}",
        output_path=f"{DATA}/annotated/{PARTITION}",
        bundle=f"{DATA}/bundle",
        max_bad_rows="5%",
        # The partition is known only at run time, so the asset is added to the alias.
        outlets=[AssetAlias("lsmi_annotated")],
    )
    gate = LsmiSqlOperator(
        task_id="gate",
        check=True,
        tables={"annotated": f"{DATA}/annotated/{PARTITION}"},
        sql="""
            SELECT count(r) > 0                       AS has_values,
                   avg(r + u1 + u2 + s) > 0           AS embeddings_tell_of_the_label,
                   count(r) >= 0.95 * count(*)        AS few_bad_rows
            FROM annotated
        """,
    )
    report = LsmiOperator(
        task_id="report",
        arguments=[
            "report",
            f"{DATA}/annotated/{PARTITION}",
            "--output",
            f"{DATA}/report-{{{{ ds }}}}.html",
            "--overwrite",
        ],
    )
    annotate >> gate >> report
