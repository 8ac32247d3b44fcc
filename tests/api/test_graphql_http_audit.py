"""GraphQL over HTTP as its specification wants it, judged by the suite of the specification's own reference project.

It is a program for Node, so it runs where there is one, and its package can be had; nothing of it is kept.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from domain.foundation.access import Scope
from domain.tenants.models import Tenant
from tests.support import factories
from tests.support.api import SECRET
from tests.support.web_process import web_process

PACKAGES = ("graphql-http@1.23.1", "graphql@16")
PROGRAM = """
import { serverAudits } from "graphql-http";
const [url, authorization] = process.argv.slice(2);
const fetchFn = (address, init = {}) => {
  const headers = new Headers(init.headers);
  headers.set("authorization", authorization);
  return fetch(address, { ...init, headers });
};
const results = [];
for (const audit of serverAudits({ url, fetchFn })) {
  const { status, id, name, reason } = await audit.fn();
  results.push({ status, id, name, reason });
}
console.log(JSON.stringify(results));
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """The program with its packages, in a directory that is thrown away."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("there is no Node here")
    directory = tmp_path / "audit"
    directory.mkdir()
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
    try:
        done = subprocess.run(
            [npm, "install", *options, "--prefix", str(directory), *PACKAGES],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the packages cannot be had in time")
    if done.returncode != 0:
        pytest.skip(f"the packages cannot be had: {done.stderr[-300:]}")
    program = directory / "audit.mjs"
    program.write_text(PROGRAM)
    return program


@pytest.fixture
async def key(tenant: Tenant) -> str:
    """The key of a service account."""
    await factories.create_service_account(tenant.id, key="mk_audited", scopes=[Scope.READ])
    return "mk_audited"


def test_the_server_passes_every_audit(suite: Path, app_url: str, key: str, tmp_path: Path) -> None:
    """All of them: what the server must do, and also what it should and may."""
    with web_process(tmp_path, {"DATABASE_URL": app_url, "SECRET_KEY": SECRET}) as web:
        done = subprocess.run(
            ["node", str(suite), f"{web.url}/graphql", f"Bearer {key}"],
            cwd=suite.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert len(results) > 50
    assert [one for one in results if one["status"] != "ok"] == []
