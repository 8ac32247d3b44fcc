"""Pages of other origins: which may call, what they may send, and what they see of the answer."""

from typing import Any

import pytest
from pydantic import ValidationError

from domain.foundation.settings import Settings
from tests.support.api import Api


async def test_origins_that_are_allowed_may_call_from_browsers(settings: Settings, api: Api) -> None:
    """Others get no permission from us, so browsers keep the answer from them."""
    opened = settings.model_copy(update={"allowed_origins": ["https://lms.example"]})
    async with Api(opened, api.now).opened() as shared:
        for origin, expected in (("https://lms.example", "https://lms.example"), ("https://evil.example", None)):
            headers = {
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type",
            }
            response = await shared.http.options("/graphql", headers=headers)
            assert response.headers.get("access-control-allow-origin") == expected


USUAL_HEADERS = [
    *("authorization", "content-type", "x-request-id", "traceparent", "tracestate", "baggage", "sentry-trace"),
    *("apollographql-client-name", "apollographql-client-version", "apollo-require-preflight"),
    *("cache-control", "last-event-id"),
]


async def asked(api: Api, origin: str, headers: str) -> Any:
    """Ask as a browser does before a page sends these headers."""
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": headers}
    return await api.http.options("/graphql", headers={"Origin": origin, **asking})


async def test_headers_that_pages_may_send_are_a_setting(settings: Settings, api: Api) -> None:
    """Those of tracing and of usual clients unless it says otherwise, and those that are needed in any case."""
    origin = "https://lms.example"
    usual = settings.model_copy(update={"allowed_origins": [origin]})
    async with Api(usual, api.now).opened() as shared:
        for headers in (",".join(USUAL_HEADERS), *USUAL_HEADERS):
            assert (await asked(shared, origin, headers)).status_code == 200
        assert (await asked(shared, origin, "x-other")).status_code == 400
        exposed = (await shared.http.get("/healthz", headers={"Origin": origin})).headers
        assert "Content-Disposition" in exposed["access-control-expose-headers"]
    own = Settings.model_validate({"allowed_origins": origin, "allowed_headers": "X-Own, x-other"})
    own = usual.model_copy(update={"allowed_headers": own.allowed_headers})
    async with Api(own, api.now).opened() as shared:
        assert (await asked(shared, origin, "authorization,x-own,x-other")).status_code == 200
        assert (await asked(shared, origin, "traceparent")).status_code == 400


async def test_local_pages_may_call_where_that_is_set(settings: Settings, api: Api) -> None:
    """Whatever port serves them, and nothing that only looks like them; never in production."""
    local = {"allowed_origins": "http://localhost:*,http://127.0.0.1:*,https://lms.example:443"}
    with pytest.raises(ValidationError):
        Settings.model_validate({**local, "environment": "production"})
    with pytest.raises(ValidationError):
        Settings.model_validate({"allowed_origins": "https://lms.example:*", "environment": "development"})
    read = Settings.model_validate({**local, "environment": "development"})
    opened = settings.model_copy(update={"allowed_origins": read.allowed_origins})
    for origin, is_allowed in (
        *((f"http://localhost{port}", True) for port in (":5173", ":3000", "")),
        *(("http://127.0.0.1:8080", True), ("https://lms.example", True)),
        *((f"http://localhost{more}", False) for more in (".evil.example", ":80.evil.example", ":", ":x", ":1@evil")),
        *(("http://127.0.0.1.evil.example", False), ("http://127x0x0x1:80", False), ("http://evil-localhost:1", False)),
        *(
            ("null", False),
            ("http://localhost:１", False),
            ("https://lms-example", False),
            ("https://localhost:1", False),
        ),
    ):
        assert opened.is_allowed_origin(origin) is is_allowed, origin
    async with Api(opened, api.now).opened() as shared:
        answer = await asked(shared, "http://localhost:5173", "authorization")
        assert answer.headers["access-control-allow-origin"] == "http://localhost:5173"
        assert (await asked(shared, "http://localhost.evil.example", "authorization")).status_code == 400
