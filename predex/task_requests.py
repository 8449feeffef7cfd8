"""Counts tasks in the worker's main process, whichever pool runs them.

The processes of a prefork pool come and go, and nobody could ask them; the main process hears how
each task ended. All tasks are acknowledged late, so the acknowledgement is their end.
"""

import time
from typing import Any

from celery.exceptions import WorkerLostError
from celery.worker.request import Request

from kernel.metrics import TASK_SECONDS


class CountedRequest(Request):
    began_at: float | None = None
    result = "success"

    def on_accepted(self, pid: Any, time_accepted: float) -> None:
        self.began_at = time_accepted
        super().on_accepted(pid, time_accepted)

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        self.result = "killed" if isinstance(exc_info.exception, WorkerLostError) else "failure"
        return super().on_failure(exc_info, *args, **kwargs)

    def acknowledge(self) -> None:
        if self.began_at is not None and not self.acknowledged:
            seconds = time.monotonic() - self.began_at
            TASK_SECONDS.observe(seconds, str(self.name).rpartition(".")[2], self.result)
        super().acknowledge()
