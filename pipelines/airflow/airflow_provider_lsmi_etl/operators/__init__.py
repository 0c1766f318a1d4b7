"""lsmi-etl's jobs as Airflow tasks.

Every operator runs one command, hands its messages on to the task's log as they come,
and returns its summary, which Airflow keeps as XCom. Exit codes decide what follows:

=====================  ==================================================
99                     nothing to do: the task is skipped; where an earlier
                       try has done it all, it succeeds
64, 65, 73, 78         usage, data, output, bundle: fails, without retry
all others, signals    fails; a retry goes on where the run was
=====================  ==================================================
"""

from __future__ import annotations

from .annotate import LsmiAnnotateOperator
from .base import LsmiOperator
from .fit import LsmiFitOperator
from .run import LsmiRunOperator
from .sql import LsmiSqlOperator

__all__ = ["LsmiAnnotateOperator", "LsmiFitOperator", "LsmiOperator", "LsmiRunOperator", "LsmiSqlOperator"]
