"""The nightly partition in a pod, without lsmi-etl on the workers.

Needs ``apache-airflow-providers-cncf-kubernetes`` and an image built from the
repository's ``pipelines/Containerfile``. The sidecar stores the summary as XCom; exit code
99 skips the task.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG

with DAG(
    "lsmi_kubernetes",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
    doc_md=__doc__,
):
    KubernetesPodOperator(
        task_id="annotate",
        name="lsmi-annotate",
        image="lsmi-etl:0.1.0",
        arguments=[
            "annotate",
            "s3://bucket/raw/ds={{ ds }}/",
            "s3://bucket/annotated/ds={{ ds }}/",
            "--bundle=/models/bundle",
            "--if-nothing=exit99",
            "--summary=/airflow/xcom/return.json",
        ],
        do_xcom_push=True,
        skip_on_exit_code=99,
        # After SIGTERM the run finishes its row group and its journal within ten seconds.
        termination_grace_period=30,
    )
