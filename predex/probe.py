"""`python -m predex.probe URL`: exit 0 if it answers 200. Images have no curl."""

import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit

SECONDS_MAX = 3


def main(arguments: list[str]) -> int:
    url = urlsplit(arguments[0])
    connection = HTTPConnection(url.netloc, timeout=SECONDS_MAX)
    try:
        connection.request("GET", url.path)
        return int(connection.getresponse().status != 200)
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
