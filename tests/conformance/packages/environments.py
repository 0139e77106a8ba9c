"""Virtual environments of Python in target/packages, one for each package. As a script: prints the interpreter of the one
that runs the others."""

import functools
import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "packages"

PSYCOPG = "psycopg[binary]==3.3.*"


class NotHere(Exception):
    """This machine lacks what a package needs."""


@functools.cache
def interpreter(version):
    """A Python of this version or a newer one; the oldest of them, because packages are behind."""
    wanted = tuple(int(part) for part in version.split("."))
    candidates = [sys.executable, *filter(None, (shutil.which(f"python3.{minor}") for minor in range(11, 20)))]
    candidates += glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python"))
    found = []
    for candidate in candidates:
        # Some are stubs that know no version.
        script = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
        answer = subprocess.run([candidate, "-c", script], capture_output=True, text=True, check=False)
        if answer.returncode == 0 and (number := tuple(map(int, answer.stdout.split()))) >= wanted:
            found.append((number, candidate))
    if not found:
        raise NotHere(f"needs Python {version}")
    return min(found)[1]


def python(name, install, no_deps=(), version="3.11"):
    """The interpreter of an environment that holds these and nothing else."""
    directory = TARGET / name
    # Written last: an environment without it is one that an interrupted run left behind.
    complete, wanted = directory / "complete", "\n".join([version, *install, *no_deps])
    program = directory / "bin/python"
    if complete.exists() and complete.read_text(encoding="utf-8") == wanted:
        return program
    shutil.rmtree(directory, ignore_errors=True)
    subprocess.run([interpreter(version), "-m", "venv", directory], check=True)
    pip = [program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *install], check=True)
    if no_deps:
        subprocess.run([*pip, "--no-deps", *no_deps], check=True)
    complete.write_text(wanted, encoding="utf-8")
    return program


def dot():
    """The interpreter with the Django OAuth Toolkit that the others are compared with."""
    return python("dot", ["django-oauth-toolkit==3.4.1", "Django==5.2.*", PSYCOPG])


if __name__ == "__main__":
    print(dot())
