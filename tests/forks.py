"""Our Python programs as processes of their own, forked from one that has done their imports.

Starting an interpreter and importing Django and the rest costs more than most tests do with the
program. What runs is the same: its own process, environment, session, arguments and exit code.
"""

import atexit
import multiprocessing
import os
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Final

from tests.servers import die_with_parent

ROOT: Final = Path(__file__).resolve().parent.parent
FORKS: Final = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.preloaded"])


class Fork:
    """`python ARGUMENTS`, which is a script or `-m MODULE`; what tests use of a `Popen`."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        output: Path,
        errors: Path | None = None,
        files_max: int | None = None,
    ) -> None:
        self.args = [str(argument) for argument in arguments]
        told = (self.args, dict(environment), output, errors or output, files_max)
        output.touch()
        self._process = FORKS.Process(target=_run, args=told, daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(
    arguments: Sequence[str | Path], *, environment: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as `subprocess.run` does with captured text."""
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        fork = Fork(arguments, environment=environment, output=output, errors=errors)
        try:
            code = fork.wait(seconds)
        except subprocess.TimeoutExpired:
            fork.kill()
            fork.wait()
            raise
        return subprocess.CompletedProcess(fork.args, code, output.read_text(), errors.read_text())


def _run(
    arguments: list[str],
    environment: dict[str, str],
    output: Path,
    errors: Path,
    files_max: int | None,
) -> None:
    # It keeps the fork server alive, which else ends with the test run, and this process with it.
    os.close(forkserver._forkserver._forkserver_alive_fd)
    die_with_parent()
    os.setsid()
    if files_max is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 1)
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 2)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = [str(ROOT), *(path for path in sys.path if path != str(ROOT))]
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()
