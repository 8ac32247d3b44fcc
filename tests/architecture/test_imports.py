"""The shape of the code: who may import whom, how large and how named a module may be, and where time comes from."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("gql", "domain", "jobs", "ops", "bench", "tests")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "services"}
LONGEST_MODULE = 400


def lines_matching(pattern: str, *, allowed: set[str]) -> list[str]:
    """Return `file:line` of each line of the product that matches, outside the allowed files."""
    return [
        f"{name}:{number}"
        for path in MODULES
        if (name := str(path.relative_to(ROOT))) not in allowed
        and not name.startswith(("tests/", "domain/migrations/"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(pattern, line)
    ]


def test_import_contracts_are_kept() -> None:
    """The domain knows neither API nor jobs nor frameworks, and features only look down."""
    lint = Path(sys.executable).with_name("lint-imports")
    outcome = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_each_feature_stands_in_the_order_of_layers() -> None:
    """A new package of the domain has to say where it stands; a name in the list has to exist."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    features = next(contract for contract in contracts if contract["name"] == "Features only look down")
    listed = {name.strip() for layer in features["layers"] for name in re.split(r"[:|]", layer)}
    present = {
        path.stem
        for path in (ROOT / "domain").iterdir()
        if path.name not in ("__init__.py", "__pycache__") and (path.is_dir() or path.suffix == ".py")
    }
    assert present == listed | set(features["exhaustive_ignores"])


@pytest.mark.parametrize("package", [name for name in PACKAGES if (ROOT / name).exists()])
def test_no_module_has_a_name_that_says_nothing(package: str) -> None:
    """A file is named after what it holds."""
    vague = [path for path in (ROOT / package).rglob("*") if path.stem in NAMES_THAT_SAY_NOTHING]
    assert vague == []


def test_no_module_is_two_modules() -> None:
    """More than 400 lines are two modules."""
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_time_comes_from_one_clock() -> None:
    """Nobody but the clock asks the machine what time it is."""
    assert (
        lines_matching(
            r"\b(datetime\.now|datetime\.utcnow|datetime\.today|date\.today|time\.time)\(",
            allowed={"domain/foundation/clock.py"},
        )
        == []
    )


def test_business_time_never_comes_from_the_database() -> None:
    """No SQL of the product asks the server for the time; how often the feed tells of numbers is no business time."""
    pattern = r"(?<!def )(?<![\w.])now\(\)|current_timestamp|clock_timestamp|statement_timestamp|localtimestamp"
    assert lines_matching(pattern, allowed={"domain/foundation/feed/changes.py"}) == []


def test_the_clock_is_read_at_the_edges_only() -> None:
    """Inside the domain `now` is an argument."""
    readers = lines_matching(
        r"\bclock\.now\b|from domain\.foundation\.clock import", allowed={"domain/foundation/clock.py"}
    )
    assert [place for place in readers if place.startswith("domain/")] == []
