"""Writes a `.env` with generated secrets, once: `python -m predex.bootstrap [PATH]`.

An existing file is never touched, so that sessions and API keys survive a restart. It turns DEBUG
on: it is for trying predex on one's own machine (see docs for a public site's settings).
"""

import os
import secrets
import sys
from pathlib import Path

TEMPLATE = """\
# Written once by `make env`; never commit it. A public site sets DEBUG=false and SITE_URL.
DEBUG=true
SECRET_KEY={SECRET_KEY}
API_KEY_PEPPER={API_KEY_PEPPER}
JWT_SIGNING_KEY={JWT_SIGNING_KEY}
"""
SECRETS = ("SECRET_KEY", "API_KEY_PEPPER", "JWT_SIGNING_KEY")


def write_env_once(path: Path) -> bool:
    """Create `path`, readable by its owner only; return False when it already exists."""
    text = TEMPLATE.format(**{name: secrets.token_urlsafe(48) for name in SECRETS})
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return True


def main(arguments: list[str]) -> None:
    path = Path(arguments[0] if arguments else ".env")
    is_new = write_env_once(path)
    sys.stdout.write(f"{path}: {'written, with new secrets' if is_new else 'kept as it is'}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
