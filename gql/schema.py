"""The schema: what the features export, put together once per process, and how an operation runs through it."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from functools import cache
from typing import Any

import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLOneOfDirective,
    OperationDefinitionNode,
    Undefined,
)
from graphql.validation import NoSchemaIntrospectionCustomRule
from strawberry.extensions import AddValidationRules, MaxTokensLimiter, SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.schema_directives import OneOf
from strawberry.types.execution import ExecutionContext, ExecutionResult, PreExecutionError
from strawberry.types.graphql import OperationType

from domain.foundation.errors import TimedOut
from gql.audit_log.queries import AuditLogQuery
from gql.auto_assignment.mutations import AutoAssignmentMutation
from gql.auto_assignment.queries import AutoAssignmentQuery
from gql.auto_assignment.subscriptions import AutoAssignmentSubscription
from gql.background_jobs.mutations import BackgroundJobsMutation
from gql.background_jobs.queries import BackgroundJobsQuery
from gql.background_jobs.subscriptions import BackgroundJobsSubscription
from gql.content.mutations import ContentMutation
from gql.content.queries import ContentQuery
from gql.contract.failures import BAD_REQUEST, publish
from gql.contract.scalars import SCALARS
from gql.contract.user_errors import ERROR_TYPES
from gql.enrollments.mutations import EnrollmentsMutation
from gql.enrollments.queries import EnrollmentsQuery
from gql.enrollments.subscriptions import EnrollmentsSubscription
from gql.execution import tracing_extension as observing
from gql.execution.compiled.executor import CompiledExecution
from gql.execution.context import Context
from gql.execution.documents import DOCUMENTS, DocumentCache
from gql.execution.request_errors import is_executed
from gql.execution.streaming import RETRY_AFTER, Payload, Refused, Subscription, first_batch, payloads
from gql.limits.budget import OperationBudget
from gql.limits.document import MAX_ERRORS, MAX_TOKENS, RULES
from gql.limits.rate_limit import RATE_LIMITED
from gql.limits.stream_memory import STREAMS
from gql.mandatory_tasks.bulk_mutations import BulkAssignmentsMutation
from gql.mandatory_tasks.bulk_queries import BulkAssignmentsQuery
from gql.mandatory_tasks.calendar import CalendarMutation
from gql.mandatory_tasks.list_queries import TaskOverviewQuery
from gql.mandatory_tasks.mutations import MandatoryTasksMutation
from gql.mandatory_tasks.queries import MandatoryTasksQuery
from gql.mandatory_tasks.subscriptions import MandatoryTasksSubscription
from gql.nodes import NodesQuery
from gql.notifications.mutations import NotificationsMutation
from gql.notifications.queries import NotificationsQuery
from gql.notifications.subscriptions import NotificationsSubscription
from gql.people.mutations import PeopleMutation
from gql.people.queries import PeopleQuery
from gql.tenants.mutations import TenantsMutation
from gql.tenants.queries import TenantsQuery

#: Seconds that a query may take. A mutation is bounded in its transaction instead: it must not be cut off between a
#: commit and the answer.
QUERY_TIMEOUT = 10.0
#: What has one result, and not a stream of them.
ANSWERED_AT_ONCE = frozenset({OperationType.QUERY, OperationType.MUTATION})


@strawberry.type(
    description="Reads. Everything is limited to the tenant of the credential; no argument can name another tenant.\n"
    "An expected failure of a query (an ID that is not visible, a feature that is off) is a top-level error whose\n"
    "`extensions.code` is a UserErrorCode and whose `extensions.path` points into the arguments. A list or preview "
    "is null\nonly together with such an error; a single lookup is null also when there is nothing that the viewer may "
    "see."
)
class Query(
    TenantsQuery,
    AuditLogQuery,
    NodesQuery,
    BackgroundJobsQuery,
    ContentQuery,
    EnrollmentsQuery,
    PeopleQuery,
    AutoAssignmentQuery,
    MandatoryTasksQuery,
    NotificationsQuery,
    BulkAssignmentsQuery,
    TaskOverviewQuery,
):
    """All queries."""


@strawberry.type(
    description="Writes. Every mutation takes one `input` and returns a payload with `errors`.\n"
    "An empty `errors` list means that everything asked for was committed; a non-empty list means that nothing was,\n"
    "except in the `bulk…` mutations, which report row by row. A payload is null only together with a top-level error "
    "of that\nfield; in a payload with errors, results are null and lists are empty. Null for an input field whose "
    "description gives\nnull no meaning counts as left out."
)
class Mutation(
    TenantsMutation,
    ContentMutation,
    EnrollmentsMutation,
    PeopleMutation,
    BackgroundJobsMutation,
    AutoAssignmentMutation,
    MandatoryTasksMutation,
    NotificationsMutation,
    BulkAssignmentsMutation,
    CalendarMutation,
):
    """All mutations."""


@strawberry.type(
    name="Subscription",
    description="Live changes as batches. To miss nothing: run the query, keep its `changeCursor`, subscribe with "
    "`after: <that cursor>`,\nand after a disconnect subscribe again with the last `cursor` received; without `after` "
    "a stream begins now. Batches\nrepeat at worst, they never skip; apply a change unless its `version` is lower than "
    "the one you hold. An UPSERTED change\nwhose object is null could not be read: fetch it. REMOVED may name an "
    "object that you never held.\nThe first batch comes at once, possibly empty: it tells that the stream is live.",
)
class SubscriptionRoot(
    MandatoryTasksSubscription,
    EnrollmentsSubscription,
    AutoAssignmentSubscription,
    BackgroundJobsSubscription,
    NotificationsSubscription,
):
    """All subscriptions."""


class OperationChecks(SchemaExtension):
    """Checks that validation rules cannot make: they know neither the operation's name nor who asks."""

    def on_validate(self) -> Iterator[None]:
        """Refuse what is ambiguous, and introspection where it is switched off."""
        context = self.execution_context
        document = context.graphql_document
        assert document is not None
        operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        # Strawberry would run the first one.
        if len(operations) > 1 and context._provided_operation_name is None:
            raise GraphQLError(
                "The document has several operations: say which one by `operationName`.",
                extensions={"code": BAD_REQUEST},
            )
        caller = context.context
        if isinstance(caller, Context) and not caller.is_introspection_enabled:
            context.validation_rules = (*context.validation_rules, NoSchemaIntrospectionCustomRule)
        yield


class Schema(strawberry.Schema):
    """Schema whose results carry errors as clients may see them."""

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        *args: Any,
        operation_extensions: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> ExecutionResult:
        """Run an operation, of the document itself or of one that the extensions name."""
        with observing.operation() as observed:
            try:
                document = _document(query, operation_extensions, context_value)
            except GraphQLError as error:
                observed.ends_with([error])
                return PreExecutionError(data=None, errors=[error])
            result = await super().execute(document, variable_values, context_value, *args, **kwargs)
            if result.errors:
                is_early = isinstance(result, PreExecutionError)
                errors = result.errors if result.data is not None else result.errors[:MAX_ERRORS]
                result.errors = [publish(error, self._schema, is_before_execution=is_early) for error in errors]
            observed.ends_with(result.errors)
            if document is not None and is_executed(result):
                _remember(document, operation_extensions, context_value)
        return result

    def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:
        """Return the extensions of one operation. What runs without a loop is our own tools: nobody pays for that."""
        found = super().get_extensions(sync)
        return [one for one in found if not isinstance(one, OperationBudget)] if sync else found

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Leave logging to `publish`, which knows what is expected."""

    async def open(
        self,
        query: str | None,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        context: Context,
        extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult | AsyncGenerator[Payload, None]:
        """Run an operation that came over a transport for streams: one result, or the payloads of a subscription.

        Raises Refused for a subscription that does not begin, and what Strawberry raises for what is no operation.
        """
        try:
            return await self.execute(
                query,
                variables,
                context,
                operation_name=operation_name,
                allowed_operation_types=ANSWERED_AT_ONCE,
                operation_extensions=extensions,
            )
        except InvalidOperationTypeError:
            with observing.operation() as observed:
                try:
                    document = _document(query, extensions, context)
                    stream = await self._subscribe(document, variables, operation_name, context)
                    _remember(document or "", extensions, context)
                    return stream
                except Refused as refusal:
                    observed.ends_with(refusal.errors)
                    raise

    async def _subscribe(
        self, query: str | None, variables: dict[str, Any] | None, operation_name: str | None, context: Context
    ) -> AsyncGenerator[Payload, None]:
        execution = self._create_execution_context(
            query=query,
            allowed_operation_types={OperationType.SUBSCRIPTION},
            variable_values=variables,
            context_value=context,
            root_value=None,
            operation_name=operation_name,
            operation_extensions=None,
        )
        extensions = self.get_extensions()
        for extension in extensions:
            extension.execution_context = execution
        runner = self.create_extensions_runner(execution, extensions)
        async with runner.operation():
            early = await self._prepare_operation_async(execution, runner)
            if early is not None:
                raise Refused([publish(error, self._schema, is_before_execution=True) for error in early.errors or ()])
            try:
                async with runner.executing():
                    assert execution.graphql_document is not None
                    executor = self.execution_context_class.build(
                        self._schema,
                        execution.graphql_document,
                        None,
                        context,
                        variables,
                        operation_name,
                    )
            except GraphQLError as error:
                # Of an extension: the document asks for too much.
                raise Refused([publish(error, self._schema, is_before_execution=True)]) from error
        if isinstance(executor, list):
            raise Refused([publish(error, self._schema, is_before_execution=False) for error in executor[:MAX_ERRORS]])
        remembered = DOCUMENTS.of(executor.operation)
        # Kept from the moment it was found to be valid, which was just now.
        assert remembered is not None
        subscription = Subscription(executor, query or "", variables or {}, operation_name, remembered)
        if not STREAMS.keep(subscription, remembered, subscription.variables):
            told = {"code": RATE_LIMITED, "retryAfterSeconds": RETRY_AFTER}
            raise Refused([GraphQLError("Streams ask for too many different things.", extensions=told)])
        first, stream = await first_batch(subscription, self._schema)
        return payloads(subscription, self._schema, first, stream)

    async def _execute_operation(self, execution_context: ExecutionContext, *args: Any, **kwargs: Any) -> Any:
        run = super()._execute_operation(execution_context, *args, **kwargs)
        if execution_context.operation_type is not OperationType.QUERY:
            return await run
        try:
            async with asyncio.timeout(QUERY_TIMEOUT):
                return await run
        except TimeoutError as error:
            raise TimedOut from error


def _document(query: str | None, extensions: dict[str, Any] | None, context: Any) -> str | None:
    """Return the document that a request means; raises GraphQLError."""
    if not isinstance(context, Context):
        return query
    return context.documents.resolve(context.principal.tenant_id, query, extensions)


def _remember(document: str, extensions: dict[str, Any] | None, context: Any) -> None:
    if isinstance(context, Context):
        context.documents.remember(context.principal.tenant_id, document, extensions)


@cache
def schema() -> Schema:
    """Return the schema of this process."""
    # Strawberry prints a declaration of its own, without the description that introspection tells.
    OneOf.__strawberry_directive__.description = GraphQLOneOfDirective.description  # type: ignore[attr-defined]
    built = Schema(
        query=Query,
        mutation=Mutation,
        subscription=SubscriptionRoot,
        types=ERROR_TYPES,
        execution_context_class=CompiledExecution,
        config=StrawberryConfig(scalar_map=SCALARS),
        extensions=[
            lambda: MaxTokensLimiter(max_token_count=MAX_TOKENS),
            lambda: AddValidationRules(RULES),
            OperationChecks,
            DocumentCache,
            OperationBudget,
        ],
    )
    _drop_null_defaults(built)
    return built


def _drop_null_defaults(built: Schema) -> None:
    """Make "may be left out" not look like "is null by default": Python has None for both."""
    places: list[GraphQLArgument | GraphQLInputField] = []
    for type_ in built._schema.type_map.values():
        if isinstance(type_, GraphQLInputObjectType):
            places += type_.fields.values()
        elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            places += [argument for field in type_.fields.values() for argument in field.args.values()]
    for place in places:
        if place.default_value is None:
            place.default_value = Undefined
