"""What a reviewer would run anyway: green tests mean that the change can be merged."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["ruff", "check", "--no-fix", "."], id="lint"),
        pytest.param(["ruff", "format", "--check", "."], id="format"),
        pytest.param(["mypy"], id="types"),
    ],
)
def test_tools_find_nothing(command: list[str]) -> None:
    """Ruff has no finding, the code is formatted by it, and every type checks strictly."""
    program = Path(sys.executable).with_name(command[0])
    outcome = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
