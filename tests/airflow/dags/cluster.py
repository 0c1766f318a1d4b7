"""Tasks that give their files to a cluster."""

from __future__ import annotations

import os
from datetime import datetime

from airflow.sdk import DAG
from airflow_provider_lsmi_etl.operators import LsmiAnnotateOperator, LsmiRunOperator

DATA = os.environ["LSMI_DATA"]

with DAG("cluster", schedule=None, start_date=datetime(2026, 1, 1)):
    annotate = LsmiAnnotateOperator(
        task_id="annotate",
        input_path=f"{DATA}/raw",
        output_path=f"{DATA}/annotated",
        bundle=f"{DATA}/bundle",
        cluster="{{ 'local:2' }}",
    )
    run = LsmiRunOperator(task_id="run", pipeline=f"{DATA}/pipeline.toml", cwd=DATA, cluster="local:1")
    annotate >> run
