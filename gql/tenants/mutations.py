"""Mutations of the tenant."""

from typing import Annotated

import strawberry

from domain.tenants.operations import TenantChanges, set_auto_assignment, update_tenant
from gql.background_jobs.types import BackgroundJob
from gql.contract.arguments import INPUT
from gql.contract.mutations import Payload, UpdateInput, mutation, reevaluation_of
from gql.execution.context import Info, MutationInput
from gql.tenants.enums import TenantFeature
from gql.tenants.service_account_mutations import ServiceAccountsMutation
from gql.tenants.types import Tenant


@strawberry.input(description="Label of a reference field.")
class RefFieldLabelInput:
    """Label of a reference field."""

    number: int = strawberry.field(description="Number of the field, from 1 to 10.")
    label: str = strawberry.field(description="Label of the field.")


@strawberry.input(description="Changes of a tenant; fields left out stay.")
class TenantChangesInput:
    """Changes of a tenant."""

    name: str | None = strawberry.field(default=None, description="Name of the tenant.")
    time_zone: str | None = strawberry.field(default=None, description="IANA time zone.")
    ref_field_labels: list[RefFieldLabelInput] | None = strawberry.field(
        default=None, description="Labels of reference fields; fields not named stay."
    )
    minimum_lead_days: int | None = strawberry.field(
        default=None, description="Smallest number of days between today and a due date, from 0 to 365."
    )
    accepts_learner_progress: bool | None = strawberry.field(
        default=None, description="Whether learners may report their own progress."
    )

    def to_changes(self) -> TenantChanges:
        """Return the changes as the domain takes them."""
        labels = self.ref_field_labels
        return TenantChanges(
            name=self.name,
            time_zone=self.time_zone,
            ref_field_labels=None if labels is None else tuple((label.number, label.label) for label in labels),
            minimum_lead_days=self.minimum_lead_days,
            accepts_learner_progress=self.accepts_learner_progress,
        )


@strawberry.input(description="Input of updateTenant.")
class UpdateTenantInput(UpdateInput):
    """Input of updateTenant."""

    changes: TenantChangesInput = strawberry.field(description="What to change; fields left out stay.")


@strawberry.type(description="Payload of updateTenant.")
class UpdateTenantPayload(Payload):
    """Payload of updateTenant."""

    tenant: Tenant | None = strawberry.field(default=None, description="Tenant after the change.")
    rescheduling: BackgroundJob | None = strawberry.field(
        default=None,
        description="Work that moves due dates and reminders to another time zone; null when there is none.",
    )


@strawberry.input(description="Input of setTenantFeature.")
class SetTenantFeatureInput(MutationInput):
    """Input of setTenantFeature."""

    feature: TenantFeature = strawberry.field(description="Feature to switch.")
    is_enabled: bool = strawberry.field(description="Whether it shall be on.")


@strawberry.type(description="Payload of setTenantFeature.")
class SetTenantFeaturePayload(Payload):
    """Payload of setTenantFeature."""

    tenant: Tenant | None = strawberry.field(default=None, description="Tenant after the change.")
    reevaluation: BackgroundJob | None = strawberry.field(
        default=None,
        description="Evaluation of the rules after switching on; null when there is nothing to evaluate.",
    )


@strawberry.type
class TenantsMutation(ServiceAccountsMutation):
    """Mutations of the tenant."""

    @mutation("Changes the settings of the tenant. Needs ADMIN.")
    async def update_tenant(self, info: Info, input: Annotated[UpdateTenantInput, INPUT]) -> UpdateTenantPayload | None:
        """Change the settings."""
        changes = input.changes.to_changes()
        done = await info.context.perform(
            "updateTenant",
            input,
            lambda work: update_tenant(work, changes=changes, expected_version=input.expected_version),
            int,
        )
        job_id = done.rescheduling_job_id
        return UpdateTenantPayload(
            tenant=await Tenant.load(info, done.result),
            rescheduling=None if job_id is None else await BackgroundJob.load(info, job_id),
        )

    @mutation("Switches a tenant feature on or off. Needs ADMIN.")
    async def set_tenant_feature(
        self, info: Info, input: Annotated[SetTenantFeatureInput, INPUT]
    ) -> SetTenantFeaturePayload | None:
        """Switch a feature; Auto Assignment is the only one."""
        done = await info.context.perform(
            "setTenantFeature",
            input,
            lambda work: set_auto_assignment(work, is_enabled=input.is_enabled),
            int,
        )
        return SetTenantFeaturePayload(
            tenant=await Tenant.load(info, done.result), reevaluation=await reevaluation_of(info, done)
        )
