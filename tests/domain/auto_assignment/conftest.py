"""A small company with rules, for tests of what rules do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from domain.auto_assignment.conditions.atoms import ConditionKind, RefOperator
from domain.auto_assignment.conditions.input import ConditionInput
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules.editing import RuleDraft, RuleSaved, create_rule
from domain.content.models import Content
from domain.content.queries import ContentKey
from domain.enrollments.ending import Selection, end_reasons
from domain.enrollments.granting import Grant, grant
from domain.enrollments.models import EnrollmentStatus
from domain.foundation.access import Principal, Source
from domain.foundation.database.sessions import writing
from domain.foundation.unit_of_work import Done, UnitOfWork, perform
from domain.people.learners.changes import LearnerChanges, RefChange
from domain.people.learners.operations import update_learner
from domain.people.queries import LearnerKey, lock_learners
from domain.tenants.models import Tenant


def ref_is(number: int, *values: str) -> ConditionInput:
    """Return the condition that a reference value is one of these."""
    return ConditionInput(ConditionKind.REF_VALUE, field_number=number, operator=RefOperator.EQUALS, ref_values=values)


def ref_is_not(number: int, *values: str) -> ConditionInput:
    """Return the condition that a reference value is none of these."""
    return ConditionInput(
        ConditionKind.REF_VALUE, field_number=number, operator=RefOperator.NOT_EQUALS, ref_values=values
    )


def status_is(status: EnrollmentStatus, *contents: Content) -> ConditionInput:
    """Return the condition that one of the contents has the status."""
    return ConditionInput(
        ConditionKind.CONTENT_STATUS, contents=[ContentKey(id=content.id) for content in contents], status=status
    )


@dataclass(slots=True)
class Company:
    """Does things in the name of an administrator and tells what has become of people."""

    tenant: Tenant
    admin: Principal
    now: datetime
    rule_count: int = field(default=0)

    async def do(self, action: Callable[[UnitOfWork], Awaitable[Any]]) -> Done[Any]:
        """Perform an operation."""
        return await perform(self.admin, self.now, "test", action)

    async def rule(
        self,
        *conditions: ConditionInput,
        gives: list[Content],
        match: ConditionMatch = ConditionMatch.ALL,
        when_unmet: UnmetPolicy = UnmetPolicy.KEEP,
        backfills: bool = True,
        name: str | None = None,
    ) -> RuleSaved:
        """Create a rule."""
        self.rule_count += 1
        draft = RuleDraft(
            name=name or f"Rule {self.rule_count}",
            contents=[ContentKey(id=content.id) for content in gives],
            match=match,
            conditions=conditions,
            when_unmet=when_unmet,
            backfills_existing_learners=backfills,
        )
        saved: RuleSaved = (await self.do(lambda work: create_rule(work, draft=draft))).result
        return saved

    async def set_ref(self, learner_id: int, number: int, value: str | None) -> Done[Any]:
        """Change one reference value."""
        changes = LearnerChanges(ref_values=[RefChange(number, value)])
        return await self.do(lambda work: update_learner(work, key=LearnerKey(id=learner_id), changes=changes))

    async def enroll(self, learner_id: int, content: Content) -> None:
        """Enroll somebody by hand."""

        async def action(work: UnitOfWork) -> None:
            await lock_learners(work, [learner_id])
            await grant(work, [Grant(learner_id, content.id, Source.MANAGER)], writes_facts=True)

        await self.do(action)

    async def unenroll(self, learner_id: int, content: Content) -> None:
        """Unenroll somebody by hand."""

        async def action(work: UnitOfWork) -> None:
            await lock_learners(work, [learner_id])
            everything = Selection(
                "SELECT id AS reason_id, enrollment_id, learner_id, content_id, NULL::bigint AS rule_id"
                "  FROM enrollment_reason WHERE learner_id = $9 AND content_id = $10 AND until_at IS NULL",
                (learner_id, content.id),
            )
            await end_reasons(work, everything, source=Source.MANAGER, is_by_rule=False)

        await self.do(action)

    async def fetch(self, sql: str, *args: Any) -> list[Any]:
        """Read rows as tuples."""
        async with writing(self.tenant.id) as session:
            return [tuple(row) for row in await session.fetch(sql, *args)]

    async def contents_of(self, learner_id: int) -> list[str]:
        """Return the titles of what somebody is enrolled in."""
        rows = await self.fetch(
            "SELECT c.title FROM enrollment e JOIN content c ON c.id = e.content_id"
            " WHERE e.learner_id = $1 AND e.is_active ORDER BY c.title",
            learner_id,
        )
        return [title for (title,) in rows]

    async def log_of(self, learner_id: int) -> list[tuple[str, str, str, str | None]]:
        """Return the log of somebody in order: title, action, source, rule."""
        return await self.fetch(
            "SELECT c.title, a.action, a.source, a.rule_name"
            "  FROM content_action a JOIN content c ON c.id = a.content_id"
            " WHERE a.learner_id = $1 ORDER BY a.id",
            learner_id,
        )

    async def reasons_of(self, learner_id: int, content: Content) -> list[tuple[str, bool]]:
        """Return the open reasons of an enrollment: source, and whether it is permanent."""
        return await self.fetch(
            "SELECT source, is_permanent FROM enrollment_reason"
            " WHERE learner_id = $1 AND content_id = $2 AND until_at IS NULL ORDER BY id",
            learner_id,
            content.id,
        )

    async def members_of(self, rule_id: int) -> set[int]:
        """Return who counts as meeting a rule."""
        return {row[0] for row in await self.fetch("SELECT learner_id FROM rule_member WHERE rule_id = $1", rule_id)}


@pytest.fixture
async def company(tenant: Tenant, admin: Principal, now: datetime) -> Company:
    """A company with Auto Assignment switched on."""
    return Company(tenant, admin, now)
