"""Airflow operators for lsmi-etl.

This module does not import Airflow, since the scheduler loads the information of every
provider at each start.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def get_provider_info() -> dict[str, Any]:
    """Returns the provider metadata for ``airflow providers list``."""
    return {
        "package-name": "airflow-provider-lsmi-etl",
        "name": "lsmi-etl",
        "description": "Sample-level multimodal interactions of Parquet datasets, as scheduled jobs.",
        "integrations": [{"integration-name": "lsmi-etl", "tags": ["software"]}],
        "operators": [
            {
                "integration-name": "lsmi-etl",
                "python-modules": ["airflow_provider_lsmi_etl.operators"],
            }
        ],
        "triggers": [
            {
                "integration-name": "lsmi-etl",
                "python-modules": ["airflow_provider_lsmi_etl.trigger"],
            }
        ],
    }
