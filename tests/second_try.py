"""A plugin that writes down which tests failed, so that `tests.suite` can run them again, alone.

Beside ten other processes on two cores a test may be cut short by the machine. One that fails alone
too has found a fault; one that passes is reported as flaky. Many failures at once, or a worker that
died, are never taken for that.
"""

import os
from pathlib import Path
from typing import Final

import pytest

FAILED_MAX: Final = 3
PLACE: Final = "PREDEX_TEST_FAILED"
"""In the environment: the file into which the failed tests go, a line each."""


class Record:
    def __init__(self, place: Path, root: Path) -> None:
        self._place = place
        self._root = root
        self._failed: dict[str, None] = {}
        self._has_crashed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed[f"{self._root}/{report.nodeid}"] = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self) -> None:
        self._has_crashed = True

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        is_only_tests = exitstatus == pytest.ExitCode.TESTS_FAILED and not self._has_crashed
        if is_only_tests and 0 < len(self._failed) <= FAILED_MAX:
            self._place.write_text("\n".join(self._failed))


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Record(Path(os.environ[PLACE]), config.rootpath))
