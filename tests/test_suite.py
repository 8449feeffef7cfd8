"""A test that failed beside others counts only when it fails alone too."""

import os

import pytest

from tests.suite import Part, run

HEAD = "import os, pathlib, pytest\nFIRST = pathlib.Path(__file__).with_suffix('.first')\n"
FLAKY = """
@pytest.mark.parametrize("number", range({count}))
def test_flaky(number):
    place = FIRST.with_suffix(f".{{number}}")
    was_there = place.exists()
    place.touch()
    assert was_there
"""
WRONG = "def test_wrong():\n    assert False\n"
CRASH = "def test_crash():\n    os._exit(1)\n"


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("body", "workers", "is_good", "count"),
    [
        (FLAKY.format(count=2), "2", True, 2),
        (FLAKY.format(count=2) + WRONG, "0", False, 0),
        (FLAKY.format(count=4), "0", False, 0),
        (FLAKY.format(count=1) + CRASH, "2", False, 0),
    ],
    ids=["flaky", "wrong", "many", "crash"],
)
def test_what_fails_beside_others_is_run_again_alone(
    tmp_path, capfd, body, workers, is_good, count
):
    path = tmp_path / "test_made_up.py"
    path.write_text(HEAD + body)
    part = Part("A part", ("-n", workers, "-p", "no:cacheprovider"), dict(os.environ), [str(path)])
    assert (run(part, {}, []) == 0) == is_good
    assert capfd.readouterr().out.count("flaky: ") == count
