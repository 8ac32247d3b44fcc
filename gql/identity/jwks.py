"""The keys of an identity provider: kept, looked up, fetched again, so that keys can be rotated while everything runs.

A token with a known key never waits. One with an unknown key waits for one fetch that all such tokens share, and there
is at most one every few seconds, whatever tokens strangers invent. What cannot be fetched leaves the known keys as they
are; what was fetched replaces them, so that a key which is gone from the address is gone from here.
"""

import asyncio
import contextlib
import logging
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

from domain.foundation.errors import Unavailable
from gql.identity.signing_keys import BadKeySet, SigningKey, read_key_set

#: Seconds after which the keys are fetched again although nobody asks.
LIFETIME = 300.0
#: Seconds between two fetches at least.
PAUSE = 10.0
#: Seconds that the address has to answer, from the first to the last byte.
TIMEOUT = 3.0
MAX_BYTES = 256 * 1024

log = logging.getLogger("mandate.api")


class KeySet:
    """The signing keys of one address."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: tuple[SigningKey, ...] = ()
        self._fetching: asyncio.Task[bool] | None = None
        self._tried_at: float | None = None
        self._is_failing = False

    async def find(self, kid: str | None) -> list[SigningKey]:
        """Return the keys that may have signed a token with this `kid`, or with none.

        Raises Unavailable as long as no key could be fetched at all: then nobody can tell what the token is worth.
        """
        found = self._matching(kid)
        if not found and await self.refresh():
            found = self._matching(kid)
        if not found and not self._keys:
            raise Unavailable("The keys that sign tokens cannot be fetched right now.")
        return found

    def _matching(self, kid: str | None) -> list[SigningKey]:
        named = [key for key in self._keys if kid is None or key.kid == kid]
        # A key without a name may be anybody's.
        return named or [key for key in self._keys if key.kid is None]

    async def refresh(self) -> bool:
        """Fetch the keys, unless that was tried a moment ago; tell whether they are new."""
        if self._fetching is None or self._fetching.done():
            if self._tried_at is not None and time.monotonic() < self._tried_at + PAUSE:
                return False
            self._tried_at = time.monotonic()
            self._fetching = asyncio.get_running_loop().create_task(self._fetch())
        # Whoever goes away meanwhile does not take the others' keys along.
        return await asyncio.shield(self._fetching)

    async def _fetch(self) -> bool:
        try:
            async with asyncio.timeout(TIMEOUT):
                # A thread that hangs, as in a name that is not resolved, is left to itself.
                keys = read_key_set(await asyncio.to_thread(_download, self._url))
        except Exception as error:
            # Whatever it is, known keys go on. Told once, not every few seconds of an outage.
            if not self._is_failing:
                log.warning("the keys at %s cannot be fetched: %s: %s", self._url, type(error).__name__, error)
            self._is_failing = True
            return False
        if self._is_failing:
            log.warning("the keys at %s can be fetched again", self._url)
        self._is_failing = False
        self._keys = keys
        return True

    @contextlib.asynccontextmanager
    async def kept_fresh(self) -> AsyncIterator[None]:
        """Fetch the keys now and then, for as long as the context is open."""

        async def repeat() -> None:
            while True:
                await self.refresh()
                await asyncio.sleep(PAUSE if self._is_failing or not self._keys else LIFETIME)

        task = asyncio.get_running_loop().create_task(repeat())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@cache
def key_set(url: str) -> KeySet:
    """Return the keys of an address, one set per process."""
    return KeySet(url)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The operator has named one address; nobody else names another."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _download(url: str) -> bytes:
    """Return what the address answers; raises OSError, HTTPException and BadKeySet. Blocks."""
    deadline = time.monotonic() + TIMEOUT
    request = urllib.request.Request(url, headers={"Accept": "application/json", "User-Agent": "mandate"})
    content = b""
    try:
        with urllib.request.build_opener(_NoRedirects()).open(request, timeout=TIMEOUT) as response:
            # A server that sends a byte now and then would keep each single read within its time.
            while chunk := response.read1(64 * 1024):
                content += chunk
                if len(content) > MAX_BYTES:
                    raise BadKeySet(f"It is larger than {MAX_BYTES} bytes.")
                if time.monotonic() > deadline:
                    raise TimeoutError("It takes too long.")
    except urllib.error.HTTPError as error:
        # It is a response as well, and would keep its socket.
        error.close()
        raise
    return content
