"""The API as callers see it: GraphQL over HTTP, answered by the application in this process.

`api.acting_as(principal)` gives a client; `run` is for what has to work, `user_errors` and `errors` for what must not.
Queries are answered both ways, see `both_ways`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx

from domain.foundation.access import Principal
from domain.foundation.settings import Settings
from tests.support import factories
from tests.support.both_ways import BothWays

#: What a payload has to select so that the client can judge it.
ERRORS = "errors { code path message }"

SECRET = "a secret for tests, of 32 bytes or more"


class ApiClient:
    """One caller."""

    def __init__(self, http: httpx.AsyncClient, credential: str | None) -> None:
        self.http = http
        self.headers = {"Authorization": f"Bearer {credential}"} if credential else {}

    async def post(self, document: str, **variables: Any) -> httpx.Response:
        """Send an operation and return the response as it is."""
        return await self.http.post("/graphql", json={"query": document, "variables": variables}, headers=self.headers)

    async def execute(self, document: str, **variables: Any) -> dict[str, Any]:
        """Send an operation and return the whole result, `data` and `errors`."""
        result: dict[str, Any] = (await self.post(document, **variables)).json()
        return result

    async def run(self, document: str, **variables: Any) -> dict[str, Any]:
        """Return the data of an operation in which nothing may fail, in payloads neither."""
        result = await self.execute(document, **variables)
        assert "errors" not in result, result["errors"]
        data: dict[str, Any] = result["data"]
        for name, value in data.items():
            if isinstance(value, dict):
                assert not value.get("errors"), f"{name}: {value['errors']}"
        return data

    async def value(self, document: str, **variables: Any) -> Any:
        """Return the one root field of an operation in which nothing may fail."""
        (value,) = (await self.run(document, **variables)).values()
        return value

    async def user_errors(self, document: str, **variables: Any) -> list[tuple[str, str]]:
        """Return (code, path joined by dots) of a mutation that is refused; its payload has to select code and path."""
        result = await self.execute(document, **variables)
        assert "errors" not in result, result["errors"]
        (payload,) = result["data"].values()
        assert payload["errors"], f"nothing was refused: {payload}"
        return [(error["code"], ".".join(error["path"])) for error in payload["errors"]]

    async def errors(self, document: str, **variables: Any) -> list[str]:
        """Return the codes of the top-level errors of an operation that must have some."""
        result = await self.execute(document, **variables)
        assert result.get("errors"), f"nothing failed: {result}"
        return [error.get("extensions", {}).get("code", error["message"]) for error in result["errors"]]


class Api:
    """The application, at an instant that the test can move."""

    def __init__(self, settings: Settings, now: datetime) -> None:
        self.settings = settings
        self.now = now
        self._http: httpx.AsyncClient | None = None
        self.transport: BothWays | None = None

    @property
    def http(self) -> httpx.AsyncClient:
        """Where requests go."""
        assert self._http is not None, "the application is not open"
        return self._http

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Api"]:
        """Make the application answer; the test has opened its database already."""
        from gql.transport.app import create_app

        app = create_app(self.settings, clock=lambda: self.now)
        # What the application does not expect shall be answered, as a server would, and not raised here.
        application = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.transport = BothWays(application, self.settings, lambda: self.now)
        async with httpx.AsyncClient(transport=self.transport, base_url="http://mandate.test") as self._http:
            yield self

    def advance(self, **duration: float) -> datetime:
        """Let time pass, given as for `timedelta`, and return what time it is then."""
        self.now += timedelta(**duration)
        return self.now

    def acting_as(self, principal: Principal) -> ApiClient:
        """Return a client that calls as somebody whom the factories have made."""
        from gql.identity.authentication import issue_token

        if principal.service_account_id is not None:
            return ApiClient(self.http, factories.api_key_of(principal))
        token = issue_token(
            self.settings,
            tenant=factories.slug_of(principal.tenant_id),
            now=self.now,
            lifetime=timedelta(days=365),
            learner_id=principal.learner_id,
        )
        return ApiClient(self.http, token)

    def with_credential(self, credential: str | None) -> ApiClient:
        """Return a client that presents this token or key, or nothing."""
        return ApiClient(self.http, credential)
