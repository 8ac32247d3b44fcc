"""GraphQL over HTTP: media types, status codes and bodies as the specification and its audit suite want them.

Strawberry answers 200 `application/json` to everything; this endpoint negotiates. An operation is authenticated before
its body is read, and its snapshot is closed before the response is sent.
"""

import codecs
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from json import JSONDecodeError
from typing import Any, cast

import orjson
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UNSET

from domain.foundation.errors import RequestFailure, Unauthenticated
from domain.foundation.feed.reader import FeedReaders
from domain.foundation.settings import Settings
from gql.contract.failures import BAD_REQUEST, as_request_failure, unexpected
from gql.execution.context import Context
from gql.execution.persisted_documents import PersistedDocuments, read_trusted_documents
from gql.execution.request_errors import NO_OPERATION, no_operation, result_body
from gql.execution.streaming import RETRY_AFTER, Refused
from gql.execution.tracing_extension import count_refusal
from gql.identity.authentication import authenticate
from gql.limits import document as limits
from gql.limits.budget import settle
from gql.limits.rate_limit import CostLimiter
from gql.limits.slots import Slots
from gql.schema import ANSWERED_AT_ONCE, Schema
from gql.transport.ide import IDE_HEADERS, IDE_PAGE
from gql.transport.negotiation import (
    JSON,
    accepted,
    accepted_by,
    is_json_in_utf8,
    media_type,
    preferred_type,
)
from gql.transport.request_body import BodyTooLarge, BodyTooSlow, count_values, limit_body
from gql.transport.responses import json_response, retry_after, status_of
from gql.transport.sse import EVENT_STREAM, EventStreamResponse, refusal_events, single_event, stream_events
from gql.transport.stream_limits import Connections, TooManyConnections
from gql.transport.websocket import ShortReasons, Socket

#: How long a client may take to present its credential.
INIT_TIMEOUT = timedelta(seconds=10)

#: Operations of a batch that are each told that there are no batches; of more, nobody is told apart.
MAX_BATCH_TOLD = 100
NO_BATCHES = "Batching is off: send each operation in a request of its own."


class Batched(Exception):
    """The body is a list of requests."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size


class GraphQLEndpoint(GraphQL[Context, None]):
    """The `/graphql` route."""

    def __init__(
        self,
        schema: Schema,
        settings: Settings,
        clock: Callable[[], datetime],
        feeds: FeedReaders,
        *,
        limiter: CostLimiter | None = None,
    ) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=INIT_TIMEOUT,
            allowed_origins=[],
        )
        self._live_schema = schema
        self._settings = settings
        self._clock = clock
        self._feeds = feeds
        self._limiter = limiter
        path = settings.trusted_documents
        self._documents = PersistedDocuments(None if path is None else read_trusted_documents(path))
        self.connections = Connections(settings)
        self._large_bodies = Slots(limits.MAX_LARGE_BODIES)
        self._large_operations = Slots(limits.MAX_LARGE_OPERATIONS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one connection."""
        if scope["type"] == "websocket":
            await self._serve_socket(WebSocket(scope, receive, send))
            return

        async def let_go() -> None:
            """Close the snapshot: who sends or reads slowly must not hold a connection to the database."""
            context: Context | None = getattr(request.state, "context", None)
            if context is not None:
                await context.close()

        async def take_place() -> None:
            """Wait until a large body may be taken in; at the end of the request there is room again."""
            if not request.state.has_place:
                await let_go()
                await self._large_bodies.take(held)
                request.state.has_place = True

        request = Request(scope, limit_body(receive, let_go, take_place))
        request.state.has_place, request.state.take_place = False, take_place
        with ExitStack() as held:
            try:
                response = await self._answer(request)
            finally:
                context: Context | None = getattr(request.state, "context", None)
                if context is not None:
                    await settle(context)
                    await context.finish()
        await response(scope, receive, send)

    async def _serve_socket(self, websocket: WebSocket) -> None:
        if not self._check_websocket_origin(websocket):
            await self.reject_websocket(websocket)
            return
        protocol = await self.pick_websocket_subprotocol(websocket)
        await websocket.accept(subprotocol=protocol)
        if protocol is None:
            await websocket.close(4406, "Subprotocol not acceptable")
            return
        await Socket(
            ShortReasons(cast("Any", self), websocket, websocket),
            websocket,
            view=cast("Any", self),
            schema=self._live_schema,
            authenticate=self._begin,
            clock=self._clock,
            connections=self.connections,
        ).handle()

    def is_websocket_origin_allowed(self, request: WebSocket, origin: str) -> bool:
        """Tell whether pages from elsewhere may connect."""
        return self._settings.is_allowed_origin(origin)

    async def on_ws_connect(self, context: Any) -> Any:
        """Let a connection in that has presented its credential."""
        await context.admit()
        return UNSET

    async def _answer_by_events(self, request: Request) -> Response:
        """Answer with events, or refuse the request as any other. Raises what reading and authenticating raises."""
        context: Context = await self.get_context(request, Response())
        data = await self.parse_http_body(self.request_adapter_class(request))
        with ExitStack() as held:
            try:
                held.enter_context(self.connections.counted(context.principal))
                result = await self._live_schema.open(
                    data.query, data.variables, data.operation_name, context, data.extensions
                )
            except TooManyConnections:
                headers = {"Retry-After": str(RETRY_AFTER)}
                extensions = {"code": "RATE_LIMITED", "retryAfterSeconds": RETRY_AFTER}
                return self._errors(request, 429, "Too many connections.", extensions, headers)
            except Refused as refusal:
                return EventStreamResponse(refusal_events(refusal.errors))
            except NO_OPERATION as error:
                return self._refuse(request, 400, BAD_REQUEST, no_operation(error).message)
            if isinstance(result, ExecutionResult):
                return EventStreamResponse(single_event(result))
            expires_at = context.principal.expires_at
            seconds = None if expires_at is None else max(0.0, (expires_at - self._clock()).total_seconds())

            async def check() -> None:
                await (await self._begin(request.headers.get("authorization"))).close()

            events = stream_events(result, seconds=seconds, check=check, held=held.pop_all())
            return EventStreamResponse(events)

    async def _answer_subscription(self, request: Request) -> Response:
        """Answer a subscription of a client that would rather have JSON: by events where it takes them."""
        await request.state.context.close()
        if all(offered != EVENT_STREAM for offered, _ in accepted(accepted_by(request) or "")):
            return self._refuse(request, 400, BAD_REQUEST, f"A subscription needs {EVENT_STREAM} or a WebSocket.")
        return await self._answer_by_events(request)

    async def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "POST"):
            return self._refuse(request, 405, BAD_REQUEST, "Only GET and POST are supported.", {"Allow": "GET, POST"})
        if self._wants_ide(request):
            return HTMLResponse(IDE_PAGE, headers=IDE_HEADERS)
        if request.method == "POST" and not is_json_in_utf8(request):
            return self._refuse(request, 415, BAD_REQUEST, f"The body has to be {JSON} in UTF-8.")
        encodings = {
            part.strip().lower() for line in request.headers.getlist("content-encoding") for part in line.split(",")
        }
        if request.method == "POST" and not encodings <= {"", "identity"}:
            headers = {"Accept-Encoding": "identity"}
            return self._refuse(request, 415, BAD_REQUEST, "The body must not be compressed.", headers)
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > limits.MAX_BODY_BYTES:
            return self._too_large(request)
        try:
            if request.method == "POST" and preferred_type(accepted_by(request) or "") == EVENT_STREAM:
                return await self._answer_by_events(request)
            try:
                return await self.run(request)
            except HTTPException as error:
                if request.method != "POST" or not isinstance(error.__cause__, InvalidOperationTypeError):
                    raise
            return await self._answer_subscription(request)
        except Batched as batch:
            return self._refuse_batch(request, batch.size)
        except BodyTooLarge:
            return self._too_large(request)
        except BodyTooSlow:
            # The rest of it may come still, so the connection is of no use any more.
            return self._refuse(request, 408, BAD_REQUEST, "The body takes too long.", {"Connection": "close"})
        except ClientDisconnect:
            return self._refuse(request, 400, BAD_REQUEST, "The body ended early.")
        except HTTPException as error:
            if isinstance(error.__cause__, InvalidOperationTypeError):
                return self._refuse(request, 405, BAD_REQUEST, "Only queries are supported by GET.", {"Allow": "POST"})
            return self._refuse(request, error.status_code, BAD_REQUEST, error.reason)
        except Exception as error:
            failure = as_request_failure(error)
            if failure is not None:
                return self._fail(request, failure)
            extensions = unexpected(error)
            return self._errors(request, 500, extensions.pop("message"), extensions)

    def _wants_ide(self, request: Request) -> bool:
        return (
            self._settings.is_ide_enabled
            and request.method == "GET"
            and "query" not in request.query_params
            and "text/html" in (accepted_by(request) or "")
        )

    def _refuse_batch(self, request: Request, size: int) -> Response:
        """Refuse a batch. Clients that make them look for an answer to each operation, and hide any other."""
        response = self._refuse(request, 400, BAD_REQUEST, NO_BATCHES)
        if 2 <= size <= MAX_BATCH_TOLD:
            response.body = b"[" + b",".join([bytes(response.body)] * size) + b"]"
            response.headers["Content-Length"] = str(len(response.body))
        return response

    def should_render_graphql_ide(self, request: Any) -> bool:
        """Leave it to `_wants_ide`: without a query, Strawberry would look for its own page and say 404."""
        return False

    def _too_large(self, request: Request) -> Response:
        return self._refuse(request, 413, BAD_REQUEST, f"The body is larger than {limits.MAX_BODY_BYTES} bytes.")

    def _fail(self, request: Request, failure: RequestFailure) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if isinstance(failure, Unauthenticated) else {}
        status = 401 if isinstance(failure, Unauthenticated) else 503
        return self._refuse(request, status, failure.code, failure.message, headers)

    def _refuse(
        self, request: Request, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> Response:
        return self._errors(request, status, message, {"code": code}, headers)

    def _errors(
        self,
        request: Request,
        status: int,
        message: str,
        extensions: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> Response:
        count_refusal(extensions["code"])
        body = {"errors": [{"message": message, "extensions": extensions}]}
        return json_response(body, status, media_type(accepted_by(request) or "*/*"), headers)

    async def execute_single(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        sub_response: Response,
        context: Context,
        root_value: None,
        request_data: GraphQLRequestData,
    ) -> ExecutionResult:
        """Run an operation that has one result; raises HTTPException for any other, and for what is none."""
        allowed = {OperationType.QUERY} if request_adapter.method == "GET" else ANSWERED_AT_ONCE
        try:
            return await self._live_schema.execute(
                request_data.query,
                request_data.variables,
                context,
                operation_name=request_data.operation_name,
                allowed_operation_types=allowed,
                operation_extensions=request_data.extensions,
            )
        except InvalidOperationTypeError as error:
            raise HTTPException(400, "Is no such operation.") from error
        except NO_OPERATION as error:
            raise HTTPException(400, no_operation(error).message) from error

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        """Authenticate the caller and begin the operation."""
        context = await self._begin(request.headers.get("authorization"))
        request.state.context = context
        return context

    async def _begin(self, authorization: str | None) -> Context:
        """Return the context of a new operation; raises Unauthenticated."""
        now = self._clock()
        caller = await authenticate(authorization, self._settings, now)
        return Context(
            caller.principal,
            now,
            caller.reads,
            is_introspection_enabled=self._settings.is_introspection_enabled,
            public_url=self._settings.public_url,
            task_url=self._settings.task_url,
            clock=self._clock,
            feeds=self._feeds,
            limiter=self._limiter,
            is_compiling=self._settings.is_compilation_enabled,
            documents=self._documents,
            large_operations=self._large_operations,
        )

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """Remember what media type the client prefers."""
        sub_response = await super().get_sub_response(request)
        sub_response.media_type = media_type(accepted_by(request) or "*/*")
        return sub_response

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        """Return the request's parameters; raises HTTPException 400 when they cannot be read."""
        if request.method == "GET":
            # Empty says no more than leaving it out.
            parameters: Any = {name: value for name, value in request.query_params.items() if value}
            for name in {"variables", "extensions"} & set(parameters):
                parameters[name] = self.parse_json(parameters[name])
        else:
            body = await request.get_body()
            values = count_values(body)
            if values > limits.MAX_BODY_VALUES:
                raise HTTPException(400, f"The body has more than {limits.MAX_BODY_VALUES} values.")
            if values > limits.LARGE_BODY_VALUES:
                await cast("Any", request)._request.state.take_place()
            parameters = self.parse_json(body)
        if isinstance(parameters, list):
            raise Batched(len(parameters))
        if not isinstance(parameters, dict):
            raise HTTPException(400, "The body has to be a JSON object.")
        for name, type_ in (("query", str), ("variables", dict), ("operationName", str), ("extensions", dict)):
            if not isinstance(parameters.get(name), type_ | None):
                raise HTTPException(400, f"`{name}` has the wrong type.")
        return GraphQLRequestData(
            query=parameters.get("query"),
            variables=parameters.get("variables"),
            operation_name=parameters.get("operationName") or None,
            extensions=parameters.get("extensions"),
        )

    def decode_json(self, data: str | bytes) -> object:
        """Return what a JSON text says: a body, or part of an address or a message, which are shorter."""
        if isinstance(data, str) and count_values(data) > limits.MAX_MESSAGE_VALUES:
            raise JSONDecodeError(f"At most {limits.MAX_MESSAGE_VALUES} values.", "", 0)
        # Some editors and libraries begin a text with a mark that means nothing in UTF-8.
        return orjson.loads(
            data.removeprefix("\ufeff") if isinstance(data, str) else data.removeprefix(codecs.BOM_UTF8)
        )

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """Return the body of a response; a request that was not executed has no `data`."""
        return result_body(result)  # type: ignore[return-value]

    def create_response(self, response_data: Any, sub_response: Response) -> Response:
        """Return the response with the status that its content calls for."""
        chosen = str(sub_response.media_type)
        return json_response(response_data, status_of(response_data, chosen), chosen, retry_after(response_data))
