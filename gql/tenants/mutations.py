"""Mutations of the tenant and its service accounts."""

from typing import Annotated

import strawberry

from domain.tenants.operations import set_auto_assignment
from gql.arguments import INPUT
from gql.background_jobs.types import BackgroundJob
from gql.context import Info, MutationInput
from gql.mutations import Payload, mutation, reevaluation_of
from gql.tenants.enums import TenantFeature
from gql.tenants.types import Tenant


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
class TenantsMutation:
    """Mutations of the tenant."""

    @mutation("Switches a tenant feature on or off. Needs ADMIN.")
    async def set_tenant_feature(
        self, info: Info, input: Annotated[SetTenantFeatureInput, INPUT]
    ) -> SetTenantFeaturePayload | None:
        """Switch a feature."""
        done = await info.context.perform(
            "setTenantFeature",
            input,
            lambda work: set_auto_assignment(work, is_enabled=input.is_enabled),
            int,
        )
        return SetTenantFeaturePayload(
            tenant=await Tenant.load(info, done.result), reevaluation=await reevaluation_of(info, done)
        )
