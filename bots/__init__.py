"""Programs that trade by the Python client of `clients/python/`; they import nothing else of ours.

The client is found in this copy of the source, so that `python -m bots.example` needs no install.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients" / "python"))
