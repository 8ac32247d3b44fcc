"""The image, as far as it can be judged without building it."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.cli import app
from tests.support.api import SECRET
from tests.support.web_process import web_process

ROOT = Path(__file__).parents[2]
TEXT = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", (ROOT / "Containerfile").read_text(), flags=re.MULTILINE))
INSTRUCTIONS = [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in TEXT.splitlines() if line.strip()]
KNOWN = {
    *("FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"),
}


def arguments(name: str) -> list[str]:
    """Return the arguments of an instruction wherever it stands."""
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


def test_it_has_two_stages_of_the_same_python() -> None:
    """What builds does not run; Python is one that the project supports; nothing is fetched from elsewhere by name."""
    assert {name for name, _ in INSTRUCTIONS} == KNOWN
    build, run = arguments("FROM")
    assert build == f"{run} AS build"
    version = re.fullmatch(r"python:(\d+)\.(\d+)-slim", run)
    assert version
    assert (int(version[1]), int(version[2])) >= (3, 11)
    assert re.findall(r"https?://(?!127\.0\.0\.1)", TEXT) == []


def test_what_it_copies_exists_and_is_all_that_is_installed() -> None:
    """Every package of the project is in it, and what is left out of the context is not copied."""
    sources = [part for rest in arguments("COPY") if not rest.startswith("--from") for part in rest.split()[:-1]]
    assert all((ROOT / source).exists() for source in sources)
    let_in = {line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")}
    assert let_in == set(sources)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {name.rstrip("*") for name in packages} <= set(sources)
    assert project["project"]["readme"] in sources


def test_everything_is_installed_by_hash() -> None:
    """From the lock, and the project itself without asking anybody."""
    for command in re.findall(r"pip (?:install|wheel)[^&]*", " ".join(arguments("RUN"))):
        assert "--require-hashes" in command or "--no-deps" in command, command


def test_it_runs_as_nobody_in_particular() -> None:
    """By number, so that a cluster can check it; in a directory of its own."""
    [user] = arguments("USER")
    assert int(user) >= 10_000
    assert f"--uid {user}" in " ".join(arguments("RUN"))
    names = [name for name, _ in INSTRUCTIONS]
    assert names.index("USER") < names.index("ENTRYPOINT")


def test_its_command_exists() -> None:
    """The program is the project's, and takes what it is told."""
    [entrypoint] = json.loads(arguments("ENTRYPOINT")[0])
    told = json.loads(arguments("CMD")[0])
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert entrypoint in scripts
    helped = CliRunner().invoke(app, [told[0], "--help"])
    assert helped.exit_code == 0
    assert all(option in helped.output for option in told if option.startswith("--"))
    assert told[told.index("--port") + 1] == arguments("EXPOSE")[0]


@pytest.mark.parametrize("is_up", [True, False])
def test_its_health_check_tells(is_up: bool, app_url: str, tmp_path: Path) -> None:
    """It succeeds while a web process answers, and only then."""
    [check] = arguments("HEALTHCHECK")
    program = json.loads(check.partition("CMD ")[2])
    assert program[:2] == ["python", "-c"]
    assert all(option.startswith("--") for option in shlex.split(check.partition("CMD ")[0]))

    def succeeds(url: str) -> bool:
        code = program[2].replace("http://127.0.0.1:8000", url)
        return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0

    if not is_up:
        assert not succeeds("http://127.0.0.1:1")
        return
    with web_process(tmp_path, {"DATABASE_URL": app_url, "SECRET_KEY": SECRET}) as web:
        assert succeeds(web.url)
