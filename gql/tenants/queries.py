"""Queries about the tenant and its service accounts."""

import strawberry

from domain.tenants.queries import list_service_accounts, sees_service_accounts
from gql.contract.arguments import After, First
from gql.contract.ids import SERVICE_ACCOUNT, TENANT
from gql.contract.pagination import paging_of
from gql.execution.context import Info
from gql.tenants.types import ServiceAccount, ServiceAccountConnection, ServiceAccountEdge, Tenant
from gql.tenants.viewer import Viewer


async def find_tenant(info: Info, key: int) -> Tenant | None:
    """Return the viewer's own tenant."""
    return await Tenant.load(info, key)


async def find_service_account(info: Info, key: int) -> ServiceAccount | None:
    """Return a service account to those who may see them."""
    return await ServiceAccount.load(info, key) if sees_service_accounts(info.context.principal) else None


NODES = {TENANT: find_tenant, SERVICE_ACCOUNT: find_service_account}


@strawberry.type
class TenantsQuery:
    """Queries about the tenant."""

    @strawberry.field(description="Who is calling, with which role and rights.")
    async def viewer(self, info: Info) -> Viewer:
        """Show who is calling."""
        return Viewer.of(info.context.principal)

    @strawberry.field(description="Tenant of the credential, with its features and limits.")
    async def tenant(self, info: Info) -> Tenant:
        """Show the tenant."""
        tenant = await Tenant.load(info, info.context.principal.tenant_id)
        assert tenant is not None
        return tenant

    @strawberry.field(description="Service accounts of the tenant. Needs ADMIN.")
    async def service_accounts(
        self, info: Info, first: First = 25, after: After = None
    ) -> ServiceAccountConnection | None:
        """List the service accounts."""
        context = info.context
        paging = paging_of(info, first, after)
        page = await list_service_accounts(context.reads, context.principal, paging.request)
        return ServiceAccountConnection.of(page, paging, ServiceAccountEdge, ServiceAccount.from_row)
