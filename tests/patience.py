"""How long a test waits for what must happen, on a machine that does several things at once.

No promise of the product: it only ends a wait that is in vain. What the product promises in time is
asserted where nothing else runs.
"""

from typing import Final

PATIENCE_SECONDS: Final = 60.0
