"""The log of production: JSON lines that say what happened and where, and nothing about anybody."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from domain.foundation.settings import Settings
from ops.log_output import configure_logging


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave the logging of the test run as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    names = ("dramatiq", "tortoise", "asyncio", "httpx", "multipart", "mandate.websocket")
    libraries = {name: logging.getLogger(name).level for name in names}
    yield
    root.handlers, root.level = handlers, level
    for name, known in libraries.items():
        logging.getLogger(name).setLevel(known)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Return what was logged."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def fail(secret: str) -> None:
    """Fail with a secret in the message, and in a local variable."""
    address = f"{secret}@acme.example"
    try:
        int(address)
    except ValueError as error:
        raise RuntimeError(f"nothing could be done for {address}") from error


def test_a_failure_is_told_by_type_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    """Of all that led to it; its messages and variables are not."""
    configure_logging(Settings(environment="production"))
    try:
        fail("ada")
    except RuntimeError as error:
        logging.getLogger("mandate.api").error("unexpected failure", exc_info=error, extra={"reference": "r1"})
    (line,) = lines(capsys)
    assert "ada" not in json.dumps(line)
    assert (line["event"], line["level"], line["logger"], line["reference"]) == (
        *("unexpected failure", "error", "mandate.api", "r1"),
    )
    exception = line["exception"]
    assert isinstance(exception, list)
    assert [one["exc_type"] for one in exception] == ["RuntimeError", "ValueError"]
    assert [frame["name"] for frame in exception[0]["frames"]][-1] == "fail"
    assert all(set(frame) == {"filename", "lineno", "name"} for one in exception for frame in one["frames"])


def test_what_could_not_be_reached_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """An operator needs to know, and it is about machines only. Groups of failures are told one by one."""
    configure_logging(Settings(environment="production"))
    log = logging.getLogger("mandate.api")
    try:
        raise ConnectionRefusedError(111, "Connect call failed ('10.0.0.1', 5432)")
    except OSError as error:
        log.error("away", exc_info=error)
    try:
        raise ExceptionGroup("some ada@acme.example", [ValueError("ada@acme.example"), TypeError("x")])
    except ExceptionGroup as error:
        log.error("several", exc_info=error)
    away, several = lines(capsys)
    assert "10.0.0.1" in json.dumps(away)
    assert "ada" not in json.dumps(several)
    assert "TypeError" in json.dumps(several)


def test_lines_about_a_request_carry_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of libraries as well."""
    configure_logging(Settings(environment="production"))
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        logging.getLogger("some.library").warning("odd")
    logging.getLogger("some.library").warning("odd")
    assert [line.get("request_id") for line in lines(capsys)] == ["abc", None]


@pytest.mark.parametrize(("level", "expected"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1)])
def test_the_level_is_a_setting(level: str, expected: int, capsys: pytest.CaptureFixture[str]) -> None:
    """INFO unless somebody says otherwise."""
    configure_logging(Settings.model_validate({"environment": "production", "log_level": level}))
    log = logging.getLogger("mandate.api")
    for method in (log.debug, log.info, log.warning, log.error):
        method("told")
    assert len(lines(capsys)) == expected
    assert Settings().log_level == "INFO"


def test_statements_are_never_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even at DEBUG: they are sent with their values."""
    configure_logging(Settings(environment="production", log_level="DEBUG"))
    logging.getLogger("tortoise.db_client").debug("SELECT 1 WHERE email = 'ada@acme.example'")
    logging.getLogger("httpx").info("GET https://id.example/keys")
    assert lines(capsys) == []
