"""Airflow operators for the commands of lsmi-etl.

Every operator runs one command, forwards its log to the task's log, and returns its
summary, which Airflow stores as XCom. The exit code decides the state of the task:

=====================  ==================================================
99                     nothing to do: the task is skipped; if an earlier
                       try has done the work, it succeeds
64, 65, 73, 78         usage, data, output, bundle: fails without retry
all others, signals    fails; a retry resumes the run
=====================  ==================================================
"""

from __future__ import annotations

from .annotate import LsmiAnnotateOperator
from .base import LsmiOperator
from .fit import LsmiFitOperator
from .run import LsmiRunOperator
from .sql import LsmiSqlOperator

__all__ = ["LsmiAnnotateOperator", "LsmiFitOperator", "LsmiOperator", "LsmiRunOperator", "LsmiSqlOperator"]
