"""The executor of all operations: what has a plan goes through it, everything else the ordinary way."""

from typing import Any

from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gql.execution.compiled.plans import Plans, plans_of
from gql.execution.compiled.running import Run
from gql.execution.context import Context


class CompiledExecution(StrawberryGraphQLCoreExecutionContext):
    """Executes one operation."""

    _plans: Plans | None = None
    #: Set for good once something went wrong, so that the rest is reported as always.
    _is_ordinary = False

    def handle_field_error(self, raw_error: Any, return_type: Any, field_details_list: Any, path: Any) -> None:
        """Note an error at the first place that selects the field: to locate many of them is to read the text again."""
        super().handle_field_error(raw_error, return_type, field_details_list[:1], path)

    def complete_value(
        self, return_type: Any, field_details_list: Any, info: Any, path: Any, result: Any, position_context: Any
    ) -> Any:
        """Complete a value by a plan where there is one."""
        if self._is_ordinary or result is None or field_details_list[0].node.selection_set is None:
            return super().complete_value(return_type, field_details_list, info, path, result, position_context)
        context = self.context_value
        plans = self._plans
        if plans is None:
            middleware = self.middleware_manager
            if (
                not isinstance(context, Context)
                or not context.is_compiling
                or self.abort_signal is not None
                or not self.error_propagation
                or (middleware is not None and middleware.middlewares)
            ):
                self._is_ordinary = True
                return super().complete_value(return_type, field_details_list, info, path, result, position_context)
            plans = self._plans = plans_of(self)
        plan = plans.find(self, return_type, field_details_list)
        if plan is None:
            return super().complete_value(return_type, field_details_list, info, path, result, position_context)
        try:
            run = Run(plan, self, path, context.loads)
            completed = run.begin(result)
        except Exception:
            self._is_ordinary = True
            return super().complete_value(return_type, field_details_list, info, path, result, position_context)
        if run.is_complete:
            return completed
        return self._finish(run, completed, return_type, field_details_list, info, path, result, position_context)

    async def _finish(
        self,
        run: Run,
        completed: Any,
        return_type: Any,
        field_details_list: Any,
        info: Any,
        path: Any,
        result: Any,
        position_context: Any,
    ) -> Any:
        try:
            await run.finish()
        except Exception:
            self._is_ordinary = True
            completed = super().complete_value(return_type, field_details_list, info, path, result, position_context)
            if self.is_awaitable(completed):
                completed = await completed
        return completed
