"""Counts what a commit did, for the metrics of the engine's process."""

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
    trades = 0
    for part in batch.parts.values():
        for entry in part.entries:
            COMMANDS.add(_name(entry.command), _find_result(entry.events))
        trades += len(part.fills)
    for task, reply in zip(tasks, replies, strict=False):  # the last ones may have no reply yet
        if task.quote or reply.status != "done":
            COMMANDS.add(name_command(task), reply.status)
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
        if isinstance(event, Rejected):
            return event.reason.value
    return "done"
