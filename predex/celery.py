"""Celery triggers what is due. Due times live in database rows: a task run twice is harmless.

A worker and one beat run in production (`celery -A predex worker`, `celery -A predex beat`).
Embedded there is no broker: `trading.scheduler` calls the same functions inside the one process.
"""

import os

from celery import Celery

from trading.schedule import build_beat_schedule

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "predex.settings")

app = Celery("predex")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = build_beat_schedule()
app.autodiscover_tasks()
