"""Counts what a commit did, for the metrics of the engine's process."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from kernel.metrics import COMMANDS, COMMIT_SECONDS, COMMIT_TASKS, TRADES
from trading.engine.events import AnyEvent, Rejected
from trading.pipeline.messages import Task
from trading.pipeline.writer import Batch


class HasStatus(Protocol):
    status: str


def count_commit(
    batch: Batch, tasks: Sequence[Task], replies: Sequence[HasStatus], *, seconds: float
) -> None:
    """Count a batch's commands by result: those in its journal, and those that were not executed.

    Previews are counted as such: they are executed on a copy.
    """
    trades, counts = 0, Counter[tuple[str, str]]()
    for part in batch.parts.values():
        counts.update(
            [(_name(entry.command), _find_result(entry.events)) for entry in part.entries]
        )
        trades += len(part.fills)
    for task, reply in zip(tasks, replies, strict=False):  # the last ones may have no reply yet
        if task.quote or reply.status != "done":
            counts[name_command(task), reply.status] += 1
    for labels, count in counts.items():
        COMMANDS.add(*labels, by=count)
    if trades:
        TRADES.add(by=trades)
    COMMIT_TASKS.observe(len(replies), batch.shard)
    COMMIT_SECONDS.observe(seconds, batch.shard)


def name_command(task: Task) -> str:
    return "preview" if task.quote else _name(task.command)


def _name(command: object) -> str:
    return type(command).__name__


def _find_result(events: list[AnyEvent]) -> str:
    for event in events:
        if type(event) is Rejected:  # isinstance takes longer where it is none
            return event.reason.value
    return "done"
