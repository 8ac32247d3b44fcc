"""A company in which an administrator assigns a course in bulk."""

import pytest

from domain.tenants.models import Tenant
from tests.api.mandatory_tasks.bulk import Training
from tests.support import factories
from tests.support.api import Api, ApiClient


@pytest.fixture
async def training(api: Api, tenant: Tenant, as_admin: ApiClient) -> Training:
    """The company, whose course nobody has yet."""
    course = await factories.create_course(tenant.id, title="Fire Safety")
    return Training(api, tenant, course, as_admin)
