"""What the bench's commands refuse, before anything is served."""

import pytest
from django.core.management import CommandError, call_command

from kernel.errors import ApiError
from simulator.bench import get_path
from simulator.management.commands.simulate import read_speed

pytestmark = pytest.mark.django_db


def test_a_site_that_is_no_bench_serves_none(settings):
    settings.SIMULATOR = False
    for command in (["simulate"], ["play_recording", "x.ndjson"]):
        with pytest.raises(CommandError, match="set SIMULATOR=1"):
            call_command(*command)


def test_a_file_that_is_no_recording_is_named(settings, tmp_path):
    settings.SIMULATOR = True
    path = tmp_path / "x.ndjson"
    path.write_text("nothing\n")
    with pytest.raises(CommandError, match="line 1: not JSON"):
        call_command("play_recording", path)
    with pytest.raises(CommandError, match="is no recorded session"):
        call_command("play_recording", tmp_path / "y.ndjson")


@pytest.mark.parametrize("text", ["0", "-1", "fast", "inf", "nan"])
def test_a_speed_is_a_number_above_0(text):
    with pytest.raises(CommandError, match="--speed is a number"):
        read_speed(text)


@pytest.mark.parametrize("name", ["", "../x", "A", "x" * 41, "a.b"])
def test_a_snapshot_s_name_is_no_path(name):
    with pytest.raises(ApiError):
        get_path(name, "json")
