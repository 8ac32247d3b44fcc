"""Headers that keep browsers from doing with an answer what it is not for; whoever answers may say something else."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    # It is what it says, and no script because it looks like one.
    "X-Content-Type-Options": "nosniff",
    # It depends on who asks, and when.
    "Cache-Control": "no-store",
    # It is nobody's frame, and loads nothing.
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # Addresses may be secrets.
    "Referrer-Policy": "no-referrer",
}


class ResponseHeaders:
    """Middleware that adds what is missing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
