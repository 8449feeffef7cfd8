"""`python -m bench.profile [--connections N] [--batch N]`: CPU time of an order by function.

Two runs of the same load on PostgreSQL and Redis. The first is unprofiled: each process's CPU time
per order, from /proc. In the second web and engine run under cProfile, which slows them down and
exaggerates small functions: only compare its lines with one another. Each line has the CPU time of
a function itself and including its callees; a waiting coroutine is charged with some of the others'
time, so only its own time is reliable.
"""

import argparse
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.figures import read_load
from bench.orders import LoadProfile, OrderScene, compute_rate, open_scene, run_load
from bench.processes import Spent, read_busy_seconds, read_spent
from bench.profiled import ProfileLine
from tests.exchange import Exchange

LINES_MAX: Final = 30
MICROSECONDS: Final = 1_000_000


class ProfiledExchange(Exchange):
    """Web and engine under cProfile; each writes its lines to the exchange's folder."""

    def list_arguments(self, role: str) -> list[str | Path]:
        return ["-m", "bench.profiled", self.find_output(role), *super().list_arguments(role)]

    def find_output(self, role: str) -> Path:
        return self.folder / f"{role}.profile.json"


def main() -> None:
    options = parse_options()
    load = LoadProfile("profile", options.connections, options.batch, ())
    with open_scene("postgres") as scene:
        show_processes(scene, load, options.seconds)
    if not options.processes_only:
        show_functions(load, options.seconds)


def show_processes(scene: OrderScene, load: LoadProfile, seconds: float) -> None:
    """Print each process's CPU time per order; "others" is the rest of this machine."""
    before: dict[str, Spent] = {}
    clock: dict[str, float] = {}
    pids = scene.stage.find_processes()

    def begin(_: int) -> None:
        before.update(read_spent(pids))
        clock.update(seconds=time.monotonic(), busy=read_busy_seconds())

    report = run_load(scene, load, seconds=seconds, number=0, at_start=begin)
    after, busy = read_spent(pids), read_busy_seconds() - clock["busy"]
    elapsed = time.monotonic() - clock["seconds"]
    rows = {name: after[name].minus(before[name]) for name in pids}
    rows["client"] = Spent(report.processor_seconds, 0.0)
    print(
        f"{load.connections} connections, {load.batch} orders a request:"
        f" {compute_rate(report):,.0f} orders/s, p50 {report.p50_ms:.1f} ms,"
        f" p99 {report.p99_ms:.1f} ms; load {read_load()}"
    )
    print(f"\n{'microseconds of processor time per order':40} {'all':>8} {'kernel':>8}   core used")
    for name, spent in rows.items():
        _print_process(name, spent, report.orders, elapsed)
    others = max(0.0, busy - sum(spent.seconds for spent in rows.values()))
    _print_process("others", Spent(others, 0.0), report.orders, elapsed)


def _print_process(name: str, spent: Spent, orders: int, seconds: float) -> None:
    every = MICROSECONDS * spent.seconds / orders
    kernel = MICROSECONDS * spent.system_seconds / orders
    print(f"{name:40} {every:8.0f} {kernel:8.0f}   {spent.seconds / seconds:8.0%}")


def show_functions(load: LoadProfile, seconds: float) -> None:
    with profiled_run(load, seconds) as (orders, lines_by_role):
        for role, lines in lines_by_role.items():
            for thread in _list_threads(lines):
                mine = [line for line in lines if line.thread == thread]
                _print_functions(f"{role}, thread {thread}", mine, orders)


@contextmanager
def profiled_run(
    load: LoadProfile, seconds: float
) -> Iterator[tuple[int, dict[str, list[ProfileLine]]]]:
    """Yield the orders of a run, and the lines of web and engine."""
    with open_scene("postgres", exchange_class=ProfiledExchange) as scene:
        exchange: Any = scene.stage.exchange

        def begin(_: int) -> None:
            for child in exchange.children.values():
                child.process.send_signal(signal.SIGUSR1)

        report = run_load(scene, load, seconds=seconds, number=0, at_start=begin)
        exchange.stop()
        decoder = msgspec.json.Decoder(list[ProfileLine])
        yield (
            report.orders,
            {role: decoder.decode(exchange.find_output(role).read_bytes())
             for role in exchange.roles},
        )  # fmt: skip


def _list_threads(lines: list[ProfileLine]) -> list[str]:
    """Return the threads with notable CPU time, the busiest first."""
    own: dict[str, float] = {}
    for line in lines:
        own[line.thread] = own.get(line.thread, 0.0) + line.own_seconds
    return [name for name in sorted(own, key=own.__getitem__, reverse=True)[:2] if own[name] > 0.1]


def _print_functions(title: str, lines: list[ProfileLine], orders: int) -> None:
    total = MICROSECONDS * sum(line.own_seconds for line in lines) / orders
    print(f"\n{title}: {total:.0f} microseconds per order under cProfile")
    print(f"{'own':>8} {'all':>8} {'calls':>7}")
    for line in sorted(lines, key=lambda line: -line.own_seconds)[:LINES_MAX]:
        own, both = (MICROSECONDS * part / orders for part in (line.own_seconds, line.all_seconds))
        print(f"{own:8.1f} {both:8.1f} {line.calls / orders:7.2f}  {line.function[:100]}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--batch", type=int, default=1, help="orders in a request")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each run lasts")
    parser.add_argument("--processes-only", action="store_true", help="without the second run")
    return parser.parse_args()


if __name__ == "__main__":
    main()
