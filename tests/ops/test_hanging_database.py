"""A database that neither answers nor hangs up, as after the loss of its machine: TCP alone would wait for minutes."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from domain.foundation import clock
from domain.foundation.access import Principal
from domain.foundation.settings import Settings
from gql.identity.authentication import issue_token
from tests.realtime.test_sse import enroll
from tests.realtime.test_streams import make_course
from tests.support import factories
from tests.support.api import SECRET, Api
from tests.support.relay import relay_to
from tests.support.web_process import web_process

QUERY = "{ tenant { name } }"
CREATE = 'mutation { createDepartment(input: { name: "Paint shop" }) { department { id } errors { code } } }'
NEWS = "subscription { enrollmentChanges { cursor changes { enrollment { learner { name } } } } }"

MORE_THAN_CONNECTIONS = 15


async def test_requests_fail_soon_and_everything_goes_on_afterwards(
    app_url: str, settings: Settings, api: Api, admin: Principal, learner: Principal, tmp_path: Path
) -> None:
    """Also when there are more of them than connections. A stream that was open tells then what was committed since."""
    course = await make_course(api, admin)
    token = issue_token(
        settings,
        tenant=factories.slug_of(admin.tenant_id),
        now=clock.now(),
        lifetime=timedelta(hours=1),
        learner_id=admin.learner_id,
    )
    async with relay_to(app_url) as relay:
        environment = {"DATABASE_URL": relay.url, "REDIS_URL": "", "SECRET_KEY": SECRET}
        web = await asyncio.to_thread((process := web_process(tmp_path, environment)).__enter__)
        try:
            headers = {"Authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(base_url=web.url, timeout=30, headers=headers, trust_env=False) as http:

                async def ask(document: str) -> tuple[int, Any]:
                    answer = await http.post("/graphql", json={"query": document})
                    body = answer.json()
                    return answer.status_code, body["errors"][0]["extensions"]["code"] if "errors" in body else None

                assert await ask(QUERY) == (200, None)
                accept = {"Accept": "text/event-stream"}
                async with http.stream("POST", "/graphql", json={"query": NEWS}, headers=accept) as stream:
                    chunks = stream.aiter_text()
                    assert '"changes":[]' in await anext(chunks)
                    relay.is_hanging = True
                    begun = time.monotonic()
                    asked = [CREATE, QUERY] * MORE_THAN_CONNECTIONS
                    answers = await asyncio.gather(*map(ask, asked), ready(http))
                    assert time.monotonic() - begun < 14
                    *told, is_ready = answers
                    assert set(told) <= {(503, "TIMEOUT"), (503, "UNAVAILABLE")}
                    assert not is_ready
                    assert (await http.get("/healthz")).status_code == 200
                    # By another process, whose way to the database is fine.
                    await enroll(api, admin, learner, course)
                    relay.is_hanging = False
                    async with asyncio.timeout(5):
                        while await ask(QUERY) != (200, None):  # noqa: ASYNC110 - another process
                            await asyncio.sleep(0.1)
                    assert await ready(http)
                    # None of the connections is lost for good.
                    begun = time.monotonic()
                    assert set(await asyncio.gather(*map(ask, asked))) == {(200, None)}
                    assert time.monotonic() - begun < 4
                    text = ""
                    async with asyncio.timeout(15):
                        while '"name":"Lea Learner"' not in text:
                            text += await anext(chunks)
        finally:
            await asyncio.to_thread(process.__exit__, None, None, None)
    assert "Traceback" not in web.output


async def ready(http: httpx.AsyncClient) -> bool:
    """Tell whether the process says that it can serve."""
    return (await http.get("/readyz")).status_code == 200
