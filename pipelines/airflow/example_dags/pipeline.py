"""A pipeline file as one task.

The paths in ``$LSMI_DATA/nightly.toml`` (the repository's ``pipelines/nightly.toml`` is a
template) are relative to ``$LSMI_DATA``. The asset's event has rows, bad rows and means.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, AssetAlias
from airflow_provider_lsmi_etl.operators import LsmiRunOperator

DATA = os.environ.get("LSMI_DATA", "/data")

with DAG(
    "lsmi_pipeline",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
    doc_md=__doc__,
):
    LsmiRunOperator(
        task_id="night",
        pipeline="nightly.toml",
        variables={"ds": "{{ ds }}"},
        cwd=DATA,
        outlets=[AssetAlias("lsmi_night")],
    )
