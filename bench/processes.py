"""CPU time and memory of processes, read from /proc, each with its children."""

import os
from pathlib import Path
from typing import Final, NamedTuple

TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
KIB: Final = 1_024
_COMMAND, _PARENT, _USER_TICKS, _SYSTEM_TICKS = 1, 3, 13, 14


class Spent(NamedTuple):
    """CPU seconds in user mode and in the kernel."""

    user_seconds: float
    system_seconds: float

    @property
    def seconds(self) -> float:
        return self.user_seconds + self.system_seconds

    def minus(self, earlier: "Spent") -> "Spent":
        return Spent(
            self.user_seconds - earlier.user_seconds, self.system_seconds - earlier.system_seconds
        )


def read_spent(pids: dict[str, int]) -> dict[str, Spent]:
    """Return each process's CPU time so far, including live children."""
    parents = _read_parents()
    return {name: _sum(pid, parents) for name, pid in pids.items()}


def read_busy_seconds() -> float:
    """Return the busy CPU seconds of the whole machine."""
    fields = Path("/proc/stat").read_text().split(maxsplit=9)
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND


def read_memory_bytes(pid: int) -> int:
    """Return a process's resident set size."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * KIB
    raise ProcessLookupError(f"process {pid} is gone")


def _sum(pid: int, parents: dict[int, int]) -> Spent:
    members = [pid, *(child for child, parent in parents.items() if parent == pid)]
    spent = [_read(member) for member in members]
    return Spent(sum(one.user_seconds for one in spent), sum(one.system_seconds for one in spent))


def _read(pid: int) -> Spent:
    fields = _read_stat(pid)
    if fields is None:
        return Spent(0.0, 0.0)
    return Spent(
        int(fields[_USER_TICKS]) / TICKS_PER_SECOND, int(fields[_SYSTEM_TICKS]) / TICKS_PER_SECOND
    )


def _read_parents() -> dict[int, int]:
    parents = {}
    for entry in os.listdir("/proc"):
        fields = _read_stat(int(entry)) if entry.isdigit() else None
        if fields is not None:
            parents[int(entry)] = int(fields[_PARENT])
    return parents


def _read_stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat; the command's name may contain spaces and brackets."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    before, _, after = text.rpartition(")")
    return [*before.split(" ", 1), *after.split()]
