"""Delivers tasks again and again, as if a broker repeated them: `python -m tests.faults.deliver`.

It says "ready", and goes on until it is killed; a task that fails ends it.
"""

import os
import threading
import traceback

import django

django.setup()

from django.db import connection  # noqa: E402

from trading import tasks  # noqa: E402

THREADS = 2


def deliver() -> None:
    try:
        while True:
            tasks.settle_due()
            tasks.notify_due()
            connection.close_if_unusable_or_obsolete()
    except Exception:
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    for _ in range(THREADS):
        threading.Thread(target=deliver, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()
