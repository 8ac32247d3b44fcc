"""The floor of a push: the server software of `mandate web`, and an application that sends a text to all connections.

`python -m bench.bare_broadcast PORT`. Whatever comes over a connection at `/send` goes to all others.
"""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from bench.processes import HOST
from ops.web.websocket_transport import PatientWebSocketProtocol

PROTOCOL = "graphql-transport-ws"

_listeners: set[WebSocket] = set()


async def listen(socket: WebSocket) -> None:
    """Keep a connection until its client leaves."""
    await socket.accept(PROTOCOL)
    _listeners.add(socket)
    try:
        async for _ in socket.iter_text():
            pass
    finally:
        _listeners.discard(socket)


async def send(socket: WebSocket) -> None:
    """Send what comes to all who listen."""
    await socket.accept(PROTOCOL)
    async for text in socket.iter_text():
        for listener in list(_listeners):
            await listener.send_text(text)


async def healthz(request: Request) -> Response:
    """Tell that the process answers."""
    return PlainTextResponse("ok")


def main() -> None:
    """Serve until somebody ends us."""
    app = Starlette(
        routes=[
            WebSocketRoute("/graphql", listen),
            WebSocketRoute("/send", send),
            Route("/healthz", healthz),
        ]
    )
    uvicorn.run(
        app,
        host=HOST,
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        server_header=False,
        ws=PatientWebSocketProtocol,
        ws_per_message_deflate=False,
    )


if __name__ == "__main__":
    main()
