"""A served application with Redis."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from domain.foundation import nudge
from domain.foundation.settings import Settings
from tests.support.api import Api
from tests.support.live import LiveServer, serving


@pytest.fixture
def live_settings(settings: Settings, redis_url: str) -> Settings:
    """Settings of a server that is told when there is news."""
    return settings.model_copy(update={"redis_url": SecretStr(redis_url)})


@pytest.fixture
async def live(api: Api, live_settings: Settings, redis_url: str) -> AsyncIterator[LiveServer]:
    """The application behind a real server; this process nudges it."""
    nudge.start(redis_url)
    async with serving(api, live_settings) as server:
        yield server
    await nudge.stop()
