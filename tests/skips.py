"""With CI=true a skipped test is a failed one: what could not run was not tested.

The one exception is recorded data, which is not part of the repository: where it lies it must
run (`data_dir` only skips when the folder is absent), where it does not, the skip is allowed.
"""

import os
from typing import Any

import pytest

RECORDED_DATA_ABSENT = "recorded data is not on this machine"


def is_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def fail_when_skipped(report: Any) -> None:
    """Turn a skipped test or collection report into a failed one, in place."""
    if report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = get_reason(report)
    if RECORDED_DATA_ABSENT in reason:
        return
    report.outcome = "failed"
    report.longrepr = f"skipped, which is a failure with CI=true: {reason}"


def get_reason(report: Any) -> str:
    longrepr = report.longrepr
    return str(longrepr[2] if isinstance(longrepr, tuple) else longrepr)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if is_ci():
        fail_when_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    report = yield
    if is_ci():
        fail_when_skipped(report)
    return report
