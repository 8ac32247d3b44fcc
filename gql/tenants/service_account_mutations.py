"""Mutations of service accounts."""

from typing import Annotated

import strawberry
from strawberry import ID

from domain.foundation.access import Scope
from domain.foundation.unit_of_work import UnitOfWork
from domain.tenants.service_accounts import (
    create_service_account,
    hash_api_key,
    new_api_key,
    revoke_service_account,
)
from gql.contract.arguments import INPUT
from gql.contract.ids import SERVICE_ACCOUNT, own_key_or_missing
from gql.contract.mutations import Payload, mutation
from gql.execution.context import Info, MutationInput
from gql.tenants.types import ServiceAccount


@strawberry.input(description="Input of createServiceAccount.")
class CreateServiceAccountInput(MutationInput):
    """Input of createServiceAccount."""

    name: str = strawberry.field(description="Name of the integration; unique within the tenant.")
    scopes: list[Scope] = strawberry.field(description="What the integration may do.")


@strawberry.type(description="Payload of createServiceAccount.")
class CreateServiceAccountPayload(Payload):
    """Payload of createServiceAccount."""

    service_account: ServiceAccount | None = strawberry.field(default=None, description="Service account as created.")
    api_key: str | None = strawberry.field(default=None, description="API key, shown this once.")


@strawberry.input(description="Input of revokeServiceAccount.")
class RevokeServiceAccountInput(MutationInput):
    """Input of revokeServiceAccount."""

    id: ID = strawberry.field(description="Service account to revoke.")


@strawberry.type(description="Payload of revokeServiceAccount.")
class RevokeServiceAccountPayload(Payload):
    """Payload of revokeServiceAccount."""

    service_account: ServiceAccount | None = strawberry.field(
        default=None, description="Service account after the change."
    )


@strawberry.type
class ServiceAccountsMutation:
    """Mutations of service accounts."""

    @mutation("Creates a service account and shows its API key, once. Needs ADMIN.")
    async def create_service_account(
        self, info: Info, input: Annotated[CreateServiceAccountInput, INPUT]
    ) -> CreateServiceAccountPayload | None:
        """Create a service account."""
        # Keys are never stored, so the replay of an earlier call has none to show.
        shown: str | None = None

        async def create(work: UnitOfWork) -> int:
            nonlocal shown
            key = new_api_key()
            account_id = await create_service_account(
                work, name=input.name, scopes=input.scopes, key_hash=hash_api_key(key)
            )
            shown = key
            return account_id

        done = await info.context.perform("createServiceAccount", input, create, int)
        return CreateServiceAccountPayload(service_account=await ServiceAccount.load(info, done.result), api_key=shown)

    @mutation("Revokes a service account; its key stops working at once. Needs ADMIN.")
    async def revoke_service_account(
        self, info: Info, input: Annotated[RevokeServiceAccountInput, INPUT]
    ) -> RevokeServiceAccountPayload | None:
        """Revoke a service account."""

        async def revoke(work: UnitOfWork) -> int:
            return await revoke_service_account(work, account_id=own_key_or_missing(SERVICE_ACCOUNT, input.id))

        done = await info.context.perform("revokeServiceAccount", input, revoke, int)
        return RevokeServiceAccountPayload(service_account=await ServiceAccount.load(info, done.result))
