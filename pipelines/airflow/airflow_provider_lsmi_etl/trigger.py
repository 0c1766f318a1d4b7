"""The trigger that waits for a deferred run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from .job import LOST_SECONDS, Job
from .process import logged


class LsmiJobTrigger(BaseTrigger):
    """Fires when the run in a folder has ended, with ``{"exit_code": N}``; N is ``None`` if the
    run is lost, which a retry resumes.

    :param folder: the run's folder (see :mod:`airflow_provider_lsmi_etl.job`)
    :param poll_seconds: polling interval
    """

    def __init__(self, folder: str, poll_seconds: float = 5.0) -> None:
        super().__init__()
        self.folder = folder
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {"folder": self.folder, "poll_seconds": self.poll_seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        job, offset = Job(self.folder), 0
        while True:
            # The exit code is read first, so that no line is missed at the end.
            code = await asyncio.to_thread(job.exit_code)
            lines, offset = await asyncio.to_thread(job.lines_after, offset)
            for line in lines:
                level, said = logged(line)
                self.log.log(level, "%s", said)
            if code is None and await asyncio.to_thread(job.silent_seconds) < LOST_SECONDS:
                await asyncio.sleep(self.poll_seconds)
                continue
            yield TriggerEvent({"exit_code": code})
            return

    async def on_kill(self) -> None:
        """Cancels the run when a user cancels the task."""
        await asyncio.to_thread(Job(self.folder).cancel)
