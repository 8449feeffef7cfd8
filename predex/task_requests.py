"""Counts tasks in the worker's main process, whichever pool runs them.

The processes of a prefork pool come and go, and nobody could ask them; the main process hears how
each task ended.
"""

from typing import Any

from celery.exceptions import WorkerLostError
from celery.worker.request import Request

from kernel.metrics import TASK_SECONDS


class CountedRequest(Request):
    def on_success(self, failed__retval__runtime: Any, **kwargs: Any) -> Any:
        failed, _, seconds = failed__retval__runtime
        self._count(seconds, "failure" if failed else "success")
        return super().on_success(failed__retval__runtime, **kwargs)

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(exc_info.exception, WorkerLostError):
            self._count(0, "killed")
        return super().on_failure(exc_info, *args, **kwargs)

    def _count(self, seconds: float, result: str) -> None:
        TASK_SECONDS.observe(seconds, str(self.name).rpartition(".")[2], result)
