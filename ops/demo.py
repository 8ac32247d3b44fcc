"""x"""

from datetime import datetime

from domain.foundation.access import Role

SLUG = "demo"
ACCOUNTS = {Role.ADMIN: "ada.admin@acme.example"}


async def create_demo_tenant(now: datetime) -> None:
    from domain.tenants.operations import create_tenant

    await create_tenant(now=now, slug="demo", name="Acme", time_zone="Europe/Berlin")
