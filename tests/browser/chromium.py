"""Which browser the tests drive: Debian's Chromium, or the one that CHROMIUM names.

The one without windows comes first: it shows the same with less work.
"""

import os
import shutil

KNOWN = ("chromium-headless-shell", "chromium", "google-chrome")
FOUND = (shutil.which(name) for name in KNOWN)
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, FOUND), None)
NO_CHROMIUM = "no Chromium here: install Debian's chromium-headless-shell, or set CHROMIUM to one"
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
