"""The tenant and its service accounts, as the API shows them."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Self

import strawberry

from domain.foundation.access import Role
from domain.foundation.jobs.running import BACKGROUND_THRESHOLD
from domain.mandatory_tasks.reminders.schedule import MOST_REMINDERS
from domain.tenants.queries import (
    REF_FIELD_COUNT,
    ServiceAccountRow,
    TenantRow,
    load_service_accounts_by_id,
    load_tenants_by_id,
)
from gql.contract.ids import SERVICE_ACCOUNT, TENANT, encode
from gql.contract.interfaces import Actor, Node
from gql.contract.pagination import Connection, Edge
from gql.execution.context import Info
from gql.execution.related import Related
from gql.tenants.enums import Scope, TenantFeature

PREVIEW_SAMPLE_SIZE = 100


@strawberry.type(description="Free-use learner field (Ref#1, Ref#2, …) that rules can test.")
class RefField:
    """Reference field."""

    number: int = strawberry.field(description="Number of the field, from 1.")
    label: str = strawberry.field(description="Label of the field that the tenant has chosen.")

    @classmethod
    def of(cls, tenant: TenantRow, number: int) -> Self:
        """Return one of the tenant's fields."""
        return cls(number=number, label=tenant.ref_label(number))


def related_ref_field(info: Info, number: int) -> Related[RefField]:
    """Lead to one of the fields of the viewer's tenant."""
    return Related(load_tenants_by_id, info.context.principal.tenant_id, _ref_field_maker(number))


@cache
def _ref_field_maker(number: int) -> Callable[[TenantRow], RefField]:
    return lambda row: RefField.of(row, number)


@strawberry.type(description="Limits that apply to a tenant.")
class TenantLimits:
    """Limits that apply to a tenant."""

    auto_assignment_rules: int = strawberry.field(description="Largest number of Auto Assignment rules (50).")
    background_threshold: int = strawberry.field(
        description="From this many learners on, rule work is done in a background job (100)."
    )
    preview_sample_size: int = strawberry.field(description="Largest number of learners in a rule preview (100).")
    minimum_lead_days: int = strawberry.field(description="Smallest number of days between today and a due date.")
    reminders_per_task: int = strawberry.field(description="Largest number of reminders of one task.")


@strawberry.type(description="Customer organisation whose data is kept apart from all others.")
class Tenant(Node):
    """The tenant."""

    name: str = strawberry.field(description="Name of the tenant.")
    time_zone: str = strawberry.field(description="IANA time zone that due dates and reminders follow.")
    accepts_learner_progress: bool = strawberry.field(description="Whether learners may report their own progress.")
    version: int = strawberry.field(description="Version of the tenant; grows with every change.")
    row: strawberry.Private[TenantRow]

    @classmethod
    def from_row(cls, row: TenantRow) -> Self:
        """Return the tenant of a row."""
        return cls(
            id=encode(TENANT, row.id),
            name=row.name,
            time_zone=row.time_zone,
            accepts_learner_progress=row.accepts_learner_progress,
            version=row.version,
            row=row,
        )

    @classmethod
    async def load(cls, info: Info, key: int) -> Self | None:
        """Return the tenant by its key."""
        return await info.context.load_as(load_tenants_by_id, key, cls.from_row)

    @strawberry.field(description="Reference fields of the tenant's learners, by number.")
    def ref_fields(self, info: Info) -> list[RefField]:
        """List the fields; learners do not see what they are called."""
        if info.context.principal.role is Role.LEARNER:
            return []
        return [RefField.of(self.row, number) for number in range(1, REF_FIELD_COUNT + 1)]

    @strawberry.field(description="Features that are switched on.")
    def enabled_features(self) -> list[TenantFeature]:
        """List the features that are switched on."""
        return [TenantFeature.AUTO_ASSIGNMENT] if self.row.is_auto_assignment_enabled else []

    @strawberry.field(description="Limits that apply to the tenant.")
    def limits(self) -> TenantLimits:
        """Show the limits."""
        return TenantLimits(
            auto_assignment_rules=self.row.rule_limit,
            background_threshold=BACKGROUND_THRESHOLD,
            preview_sample_size=PREVIEW_SAMPLE_SIZE,
            minimum_lead_days=self.row.minimum_lead_days,
            reminders_per_task=MOST_REMINDERS,
        )

    @strawberry.field(description="Current end of the tenant's change feed.")
    async def change_cursor(self, info: Info) -> str:
        """Return where a stream that follows this operation begins."""
        return await info.context.change_cursor()


@strawberry.type(description="Partner integration with its own credential.")
class ServiceAccount(Actor):
    """Service account."""

    name: str = strawberry.field(description="Name of the integration.")
    scopes: list[Scope] = strawberry.field(
        description="What the integration may do; empty when the viewer may not see it."
    )
    created_at: datetime | None = strawberry.field(
        description="Timestamp of creation; null when the viewer may not see it."
    )
    last_used_at: datetime | None = strawberry.field(
        description="Timestamp of the latest use of the key; null when never used."
    )
    revoked_at: datetime | None = strawberry.field(description="Timestamp of revocation; null while valid.")

    @classmethod
    def from_row(cls, row: ServiceAccountRow) -> Self:
        """Return the service account of a row."""
        return cls(
            id=encode(SERVICE_ACCOUNT, row.id),
            name=row.name,
            scopes=[Scope(scope) for scope in row.scopes],
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
        )

    @classmethod
    async def load(cls, info: Info, key: int) -> Self | None:
        """Return a service account by its key, in short form for those who may not see it."""
        return await info.context.load_as(load_service_accounts_by_id, key, cls.from_row)


@strawberry.type(description="Item of a page of service accounts.")
class ServiceAccountEdge(Edge[ServiceAccount]):
    """Item of a page of service accounts."""


@strawberry.type(description="Page of service accounts.")
class ServiceAccountConnection(Connection[ServiceAccount, ServiceAccountEdge]):
    """Page of service accounts."""
