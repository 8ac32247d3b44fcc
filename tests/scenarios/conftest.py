"""The company of the stories."""

import pytest

from domain.foundation.access import Principal
from domain.tenants.models import Tenant
from tests.support.api import Api, ApiClient
from tests.support.company import Company


@pytest.fixture
def company(api: Api, tenant: Tenant, admin: Principal, as_admin: ApiClient) -> Company:
    """A company with Auto Assignment switched on."""
    return Company(api, tenant, admin, as_admin)
