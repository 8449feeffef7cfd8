"""Celery triggers due work. Due times live in database rows, so a task may safely run twice.

Production runs a worker and one beat (`celery -A predex worker`, `celery -A predex beat`).
An embedded exchange has no broker: `trading.management.scheduler` calls the same functions inside
its one process.
"""

import os
import sys
from typing import Any

from celery import Celery, Task
from celery.signals import after_task_publish, beat_init, worker_ready
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from kernel.metrics import TASKS_SENT
from trading.settlement.schedule import build_beat_schedule
from web import metrics_server

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "predex.settings")


class CountedTask(Task):
    Request = "predex.task_requests:CountedRequest"


app = Celery("predex", task_cls=CountedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = build_beat_schedule()
app.autodiscover_tasks()


@app.on_configure.connect
def refuse_unsafe_settings(**_: Any) -> None:
    """Exit with the reason as one sentence, as `manage.py` does, instead of a traceback."""
    try:
        settings.INSTALLED_APPS  # noqa: B018 - the first use reads them all
    except ImproperlyConfigured as fault:
        sys.exit(f"predex cannot start: {fault}")


@worker_ready.connect
@beat_init.connect
def serve_metrics(**_: Any) -> None:
    metrics_server.start()


@after_task_publish.connect
def count_trigger(sender: str, **_: Any) -> None:
    TASKS_SENT.add(sender.rpartition(".")[2])
