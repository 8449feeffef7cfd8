"""A machine for what `deploy/` says, without a container or systemd: same commands, user, files.

Paths of an image or of a host (`/predex`, `/run/secrets`) become folders here, wherever they are
named. As root everything runs as an unprivileged user who can write nothing but its data.
"""

import os
import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from tests.exchange import ROOT
from tests.servers import UNPRIVILEGED_USER, Child, find_postgres_bin

WRAPPER = """#!/bin/sh
export PYTHONPATH={packages} LD_LIBRARY_PATH={libraries}
exec {python} {module} "$@"
"""


class Machine:
    """`places` maps paths that the files of `deploy/` name to folders of this machine."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="predex-machine-"))
        self.root.chmod(0o755)
        self.user = UNPRIVILEGED_USER if os.getuid() == 0 else None
        self.places: dict[str, Path] = {}
        self.environment = dict(environment)
        self.children: dict[str, Child] = {}

    def add(self, path: str, name: str, *, is_writable: bool = False) -> Path:
        """Make the folder that stands for a path of the image or host."""
        folder = self.places[path] = self.root / name
        folder.mkdir(exist_ok=True)
        if is_writable:
            folder.chmod(0o700)
            if self.user:
                shutil.chown(folder, self.user)
        return folder

    def install(self, venv: str, code: str) -> None:
        """Copy the programs that go into the image, and make them runnable for the user."""
        programs = self.add(venv, "venv") / "bin"
        programs.mkdir()
        packages = sysconfig.get_path("purelib")
        python = self._find_python()
        for name, module in (("python", ""), ("celery", "-m celery")):
            text = WRAPPER.format(
                packages=packages, python=python, module=module, libraries=python.parents[1] / "lib"
            )
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        target = self.add(code, "code")
        for entry in list_shipped():
            source, copy = ROOT / entry, target / entry
            if source.is_dir():
                shutil.copytree(source, copy)  # compiled files too, which the image makes later
            else:
                shutil.copy(source, copy)

    def place(self, text: str) -> str:
        """Return a text of `deploy/` with the paths of this machine."""
        if not self.places:
            return text
        longest_first = sorted(self.places, key=len, reverse=True)
        pattern = "|".join(rf"(?<![\w/.-]){re.escape(path)}(?![\w.-])" for path in longest_first)
        return re.sub(pattern, lambda found: str(self.places[found[0]]), text)

    def start(
        self, name: str, command: Sequence[str], *, folder: str, environment: Mapping[str, str]
    ) -> Child:
        """Start a command in a folder, with nothing but this environment."""
        values = {key: self.place(value) for key, value in environment.items()}
        values = {"HOME": "/nonexistent", "PATH": os.defpath, **values, **self.environment}
        # No path of the image: a clone may be in one of those that stand for others here.
        values["PATH"] = f"{find_postgres_bin()}:{values['PATH']}"
        program, *arguments = (self.place(part) for part in command)
        found = shutil.which(program, path=values["PATH"])
        assert found, f"{program} is not in {values['PATH']}"
        logs = self.root / "logs"
        logs.mkdir(exist_ok=True)
        shell = f'cd {self.place(folder)} && exec "$0" "$@"'
        child = Child(
            ["/bin/sh", "-c", shell, found, *arguments],
            log_path=logs / f"{name}.log", environment=values, user=self.user,
        )  # fmt: skip
        self.children[name] = child
        return child

    def end(self) -> None:
        for name, child in self.children.items():
            child.kill_group()
            print(f"--- {name}\n{child.read_log()[-3_000:]}")
        shutil.rmtree(self.root, ignore_errors=True)

    def _find_python(self) -> Path:
        """Return an interpreter that the user can run: a copy where ours is another's."""
        ours = Path(sys.executable).resolve()
        if self.user is None or all(path.stat().st_mode & 0o005 == 0o005 for path in ours.parents):
            return ours
        copy = self.root / "python"
        library = Path(sysconfig.get_path("stdlib"))
        ignored = shutil.ignore_patterns("site-packages", "test", "*.a", "idlelib")
        shutil.copytree(library, copy / "lib" / library.name, ignore=ignored)
        for shared in library.parent.glob("libpython*"):
            shutil.copy(shared, copy / "lib")
        (copy / "bin").mkdir()
        return Path(shutil.copy(ours, copy / "bin" / ours.name))


def list_shipped() -> list[str]:
    """Return what .dockerignore lets into the image, which is all that a role needs."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    shipped = [line.removeprefix("!") for line in lines if line.startswith("!")]
    assert all(not fnmatch(name, "*[*?]*") for name in shipped)
    return shipped
