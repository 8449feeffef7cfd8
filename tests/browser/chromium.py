"""Which browser the tests drive: Debian's Chromium, or the one that CHROMIUM names."""

import os
import shutil

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
NO_CHROMIUM = "no Chromium here: install Debian's chromium, or set CHROMIUM to one"
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
