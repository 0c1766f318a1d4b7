"""A weekly fit whose models are promoted only if they are good enough.

Fits a candidate on ``$LSMI_DATA/train.parquet``. It becomes ``$LSMI_DATA/bundle``, a
link that is replaced atomically, if the classifier of the pair is no worse on held-out
rows than the current one and is well calibrated.
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException
from airflow_provider_lsmi_etl.operators import LsmiFitOperator
from airflow_provider_lsmi_etl.process import executable

DATA = os.environ.get("LSMI_DATA", "/data")
#: Maximum increase of the cross-entropy over the current bundle, in nats.
TOLERANCE_NATS = 0.01
#: Maximum expected calibration error.
MOST_CALIBRATION_ERROR = 0.1


@task
def promote(fitted: dict) -> str:
    """Promotes the candidate, or skips."""
    candidate, current = Path(fitted["bundle"]), Path(DATA, "bundle")
    pair = fitted["validation"]["classifiers"][2]
    if pair["calibration_error"] > MOST_CALIBRATION_ERROR:
        raise AirflowSkipException(f"badly calibrated: {pair}")
    if current.exists():
        inspect = [executable(), "bundle", "inspect", str(current), "--json"]
        shown = json.loads(subprocess.run(inspect, check=True, capture_output=True, text=True).stdout)
        used = shown["manifest"]["training"]["validation"]["classifiers"][2]
        if pair["cross_entropy_nats"] > used["cross_entropy_nats"] + TOLERANCE_NATS:
            raise AirflowSkipException(f"the bundle in use is better: {used} against {pair}")
    link = current.with_name(".bundle-next")
    link.unlink(missing_ok=True)
    link.symlink_to(candidate, target_is_directory=True)
    link.replace(current)
    return fitted["bundle_sha256"]


with DAG(
    "lsmi_refit",
    schedule="@weekly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
):
    fit = LsmiFitOperator(
        task_id="fit",
        train=f"{DATA}/train.parquet",
        bundle=f"{DATA}/bundles/{{{{ ds_nodash }}}}",
        overwrite=True,
        max_rows=int(os.environ.get("LSMI_FIT_ROWS", "200000")),
    )
    promote(fit.output)
