"""`python -m bench.profiled OUTPUT SCRIPT ARGUMENT...`: run a script under cProfile, every thread.

Time is each thread's CPU time, so waiting does not count. SIGUSR1 starts the measurement: time
spent before (imports, start) is subtracted. At the end OUTPUT contains a JSON list of
`ProfileLine`s.
"""

import cProfile
import gc
import runpy
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import msgspec

MAIN: Final = "main"
Spent = tuple[int, float, float]
"""Calls, seconds in the function itself, seconds including callees."""


class ProfileLine(msgspec.Struct, array_like=True):
    """The time of one function in one thread."""

    thread: str
    function: str
    calls: int
    own_seconds: float
    all_seconds: float


class Profiles:
    """The profile of each thread, and its state at the start of the measured time."""

    def __init__(self) -> None:
        self.by_thread: dict[str, cProfile.Profile] = {}
        self.before: dict[str, list[Any]] = {}

    def begin(self, *_: object) -> None:
        alive = {MAIN, *(thread.name for thread in threading.enumerate())}
        by_thread = list(self.by_thread.items())  # threads may start meanwhile
        by_thread = [(name, profile) for name, profile in by_thread if name in alive]
        self.by_thread = dict(by_thread)
        gc.disable()  # a garbage collection would change a profile while it is read
        self.before = {name: profile.getstats() for name, profile in by_thread}
        gc.enable()

    def run(self, name: str, work: Any) -> None:
        profile = self.by_thread[name] = cProfile.Profile(time.thread_time)
        try:
            profile.runcall(work)
        finally:
            profile.disable()

    def list_lines(self) -> list[ProfileLine]:
        lines = []
        for name, profile in self.by_thread.items():
            before = _sum(self.before.get(name, []))
            for function, spent in _sum(profile.getstats()).items():
                old = before.get(function, (0, 0.0, 0.0))
                if spent[0] > old[0] and "_lsprof" not in function:
                    calls, own, both = spent
                    lines.append(
                        ProfileLine(name, function, calls - old[0], own - old[1], both - old[2])
                    )
        return lines


def main() -> None:
    output, script = Path(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    profiles = Profiles()
    run_plainly = threading.Thread.run

    def run_profiled(self: threading.Thread) -> None:
        profiles.run(self.name, lambda: run_plainly(self))

    threading.Thread.run = run_profiled  # type: ignore[method-assign]
    signal.signal(signal.SIGUSR1, profiles.begin)
    try:
        profiles.run(MAIN, lambda: runpy.run_path(script, run_name="__main__"))
    finally:
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join(timeout=5)
        output.write_bytes(msgspec.json.encode(profiles.list_lines()))


def _sum(entries: list[Any]) -> dict[str, Spent]:
    """Return a profile's entries by function, summed over those at one line."""
    spent: dict[str, Spent] = {}
    for entry in entries:
        name = _name(entry.code)
        calls, own, both = spent.get(name, (0, 0.0, 0.0))
        spent[name] = (
            calls + entry.callcount,
            own + entry.inlinetime,
            both + entry.totaltime,
        )
    return spent


def _name(code: Any) -> str:
    if isinstance(code, str):
        return code
    path = "/".join(Path(code.co_filename).parts[-2:])
    return f"{path}:{code.co_firstlineno} {code.co_name}"


if __name__ == "__main__":
    main()
