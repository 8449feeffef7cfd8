"""`python -m bench [NAME...] [--quick] [--runs N]`: measure and print one JSON document.

Progress goes to standard error. The exit code is 1 when a measurement failed to run; a missed
target is a finding, not a failure.
"""

import argparse
import importlib
import signal
import sys
import time
import traceback
from typing import Any, Final

import msgspec

from bench.figures import Figure, Sizes, describe_machine, read_load
from tests.servers import ServerNotFoundError

BENCHES: Final = (
    "engine",
    "lmsr",
    "orders",
    "sockets",
    "settlement",
    "restart",
    "pages",
    "suspension",
    "bots",
)
RUNS: Final = 3


def main() -> int:
    options = parse_options()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit("bench: ended")
    )  # the signal also stops the servers
    sizes = Sizes(is_quick=options.quick, runs=options.runs or (1 if options.quick else RUNS))
    document: dict[str, Any] = {
        "machine": describe_machine(),
        "load_at_start": read_load(),
        "quick": sizes.is_quick,
        "figures": [],
    }
    for name in options.names or BENCHES:
        document["figures"] += run_bench(name, sizes)
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    return int(any("error" in figure for figure in document["figures"]))


def run_bench(name: str, sizes: Sizes) -> list[Any]:
    """Return the bench's figures; after a failure the last entry is the error."""
    started = time.monotonic()
    figures: list[Any] = []
    try:
        for figure in importlib.import_module(f"bench.{name}").measure(sizes):
            figures.append(msgspec.to_builtins(figure))
            _print(figure)
    except ServerNotFoundError as fault:
        figures.append({"name": name, "skipped": str(fault)})
    except Exception as fault:
        traceback.print_exc()
        figures.append({"name": name, "error": f"{type(fault).__name__}: {fault}"})
    print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return figures


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    what = f"what to measure: {', '.join(BENCHES)}; all when left out"
    parser.add_argument("names", nargs="*", choices=[[], *BENCHES], metavar="NAME", help=what)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work at all?")
    parser.add_argument("--runs", type=int, help=f"runs of each figure, {RUNS} when left out")
    return parser.parse_args()


def _print(figure: Figure) -> None:
    verdict = {True: "met", False: "NOT MET", None: ""}[figure.is_met]
    print(
        f"  {figure.name}: {figure.median:,} {figure.unit} ({figure.min:,} to {figure.max:,})"
        f" {figure.target or ''} {verdict}",
        file=sys.stderr,
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
