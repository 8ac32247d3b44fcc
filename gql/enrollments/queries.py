"""Queries about enrollments and the log, and the lists of them under other objects."""

from typing import Annotated

import strawberry

from domain.enrollments.action_log.queries import (
    ActionsOf,
    LogOrder,
    find_content_action,
    list_content_actions,
    load_action_pages,
    needs_order_of_commits,
    prepare_order_of_commits,
)
from domain.enrollments.queries import (
    EnrollmentsOfLearner,
    find_enrollment,
    list_enrollments,
    list_own_access,
    load_enrollments_of_learners,
)
from domain.foundation.pages_of_many import hashable
from gql.contract.arguments import FILTER, ORDER_BY, After, First
from gql.contract.ids import CONTENT_ACTION, ENROLLMENT
from gql.contract.pagination import paging_of
from gql.enrollments.inputs import (
    ContentActionFilterInput,
    EnrollmentFilterInput,
    action_filter,
    enrollment_filter,
)
from gql.enrollments.types import (
    ContentAction,
    ContentActionConnection,
    ContentActionEdge,
    Enrollment,
    EnrollmentConnection,
    EnrollmentEdge,
)
from gql.execution.context import Info


async def enrollment_node(info: Info, key: int) -> Enrollment | None:
    """Return an enrollment that the viewer may see."""
    row = await find_enrollment(info.context.reads, info.context.principal, key)
    return None if row is None else Enrollment.from_row(row)


async def content_action_node(info: Info, key: int) -> ContentAction | None:
    """Return an entry of the log that the viewer may see."""
    row = await find_content_action(info.context.reads, info.context.principal, key)
    return None if row is None else ContentAction.from_row(row)


NODES = {ENROLLMENT: enrollment_node, CONTENT_ACTION: content_action_node}


async def viewer_access(info: Info, first: int, after: str | None) -> EnrollmentConnection:
    """List what the viewer has access to now, latest first."""
    paging = paging_of(info, first, after)
    page = await list_own_access(info.context.reads, info.context.principal, request=paging.request)
    return EnrollmentConnection.of(page, paging, EnrollmentEdge, Enrollment.from_row)


async def learner_enrollments(
    info: Info, learner_id: int, first: int, after: str | None, filter: EnrollmentFilterInput | None
) -> EnrollmentConnection:
    """List a learner's enrollments that the viewer may see, latest first."""
    paging = paging_of(info, first, after, learner_id, filter)
    key = EnrollmentsOfLearner(learner_id, enrollment_filter(filter), hashable(paging.request))
    page = await info.context.load(load_enrollments_of_learners, key)
    return EnrollmentConnection.of(page, paging, EnrollmentEdge, Enrollment.from_row)


async def learner_content_actions(
    info: Info, learner_id: int, first: int, after: str | None, filter: ContentActionFilterInput | None
) -> ContentActionConnection:
    """List a learner's log entries that the viewer may see, newest first."""
    paging = paging_of(info, first, after, learner_id, filter)
    about = ActionsOf(hashable(paging.request), action_filter(filter), learner_id=learner_id)
    page = await info.context.load(load_action_pages, about)
    return ContentActionConnection.of(page, paging, ContentActionEdge, ContentAction.from_row)


async def rule_content_actions(info: Info, rule_id: int, first: int, after: str | None) -> ContentActionConnection:
    """List the log entries that a rule caused, newest first."""
    paging = paging_of(info, first, after, rule_id)
    page = await info.context.load(load_action_pages, ActionsOf(hashable(paging.request), rule_id=rule_id))
    return ContentActionConnection.of(page, paging, ContentActionEdge, ContentAction.from_row)


@strawberry.type
class EnrollmentsQuery:
    """Queries about enrollments and the log."""

    @strawberry.field(description="Enrollments the viewer may see, latest `enrolledAt` first.")
    async def enrollments(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        filter: Annotated[EnrollmentFilterInput | None, FILTER] = None,
    ) -> EnrollmentConnection | None:
        """List the enrollments."""
        paging = paging_of(info, first, after, filter)
        page = await list_enrollments(
            info.context.reads,
            info.context.principal,
            restriction=enrollment_filter(filter),
            request=paging.request,
        )
        return EnrollmentConnection.of(page, paging, EnrollmentEdge, Enrollment.from_row)

    @strawberry.field(description="Content Actions Log. Append-only.")
    async def content_actions(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        filter: Annotated[ContentActionFilterInput | None, FILTER] = None,
        order_by: Annotated[LogOrder, ORDER_BY] = LogOrder.NEWEST_FIRST,
    ) -> ContentActionConnection | None:
        """List the log."""
        context = info.context
        paging = paging_of(info, first, after, filter, order_by)
        restriction = action_filter(filter)
        if needs_order_of_commits(context.principal, order_by, restriction):
            # A snapshot opened earlier, at sign-in for one, would not hold the positions that are given now; and
            # keeping its connection while waiting for another could use up the pool.
            await context.reads.close()
            await prepare_order_of_commits(context.principal.tenant_id)
        page = await list_content_actions(
            context.reads,
            context.principal,
            restriction=restriction,
            order=order_by,
            request=paging.request,
        )
        return ContentActionConnection.of(page, paging, ContentActionEdge, ContentAction.from_row)
