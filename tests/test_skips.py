"""With CI=true a skip is a failure, except for recorded data that is not on the machine."""

from typing import Any

import pytest

from tests.skips import RECORDED_DATA_ABSENT

pytest_plugins = ["pytester"]

SUITE = f"""
import pytest

@pytest.mark.skip(reason="no server here")
def test_skipped_by_mark(): ...

def test_skipped_while_running():
    pytest.skip("no browser here")

def test_without_recorded_data():
    pytest.skip("{RECORDED_DATA_ABSENT}: set PREDEX_DATA")

@pytest.mark.xfail
def test_expected_failure():
    assert False

def test_passes(): ...
"""


CONFTEST = "from tests.skips import pytest_make_collect_report, pytest_runtest_makereport"


@pytest.fixture
def run(pytester, monkeypatch):
    def run(suite: str, *, ci: str) -> Any:
        monkeypatch.setenv("CI", ci)
        pytester.makepyfile(suite)
        pytester.makeconftest(CONFTEST)
        pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
        return pytester.runpytest_inprocess("-p", "no:django", "-p", "no:cacheprovider")

    return run


def test_with_ci_a_skip_is_a_failure(run):
    # A mark skips before the test is called, which pytest counts as an error in its set-up.
    run(SUITE, ci="true").assert_outcomes(errors=1, failed=1, skipped=1, xfailed=1, passed=1)


def test_without_ci_a_skip_is_reported_with_its_reason(run):
    run(SUITE, ci="false").assert_outcomes(skipped=3, xfailed=1, passed=1)


def test_with_ci_a_module_that_skips_itself_is_a_failure(run):
    result = run("import pytest\npytest.skip('not here', allow_module_level=True)", ci="true")
    assert result.ret != 0
    assert "skipped, which is a failure with CI=true" in result.stdout.str()
