"""Celery triggers due work. Due times live in database rows, so a task may safely run twice.

Production runs a worker and one beat (`celery -A predex worker`, `celery -A predex beat`).
An embedded exchange has no broker: `trading.management.scheduler` calls the same functions inside
its one process.
"""

import os
import sys
from typing import Any

from celery import Celery
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from trading.settlement.schedule import build_beat_schedule

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "predex.settings")

app = Celery("predex")
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
