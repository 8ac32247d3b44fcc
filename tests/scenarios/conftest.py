"""The company of the stories."""

from pathlib import Path

import pytest

from domain.foundation.access import Principal
from domain.tenants.models import Tenant
from tests.support.api import Api, ApiClient
from tests.support.assigning import Assigning
from tests.support.company import Company
from tests.support.passing_time import Mailbox


@pytest.fixture
def company(api: Api, tenant: Tenant, admin: Principal, as_admin: ApiClient) -> Company:
    """A company with Auto Assignment switched on."""
    return Company(api, tenant, admin, as_admin)


@pytest.fixture
def assigning(company: Company, tmp_path: Path) -> Assigning:
    """The company's administrator at mandatory tasks, with a directory that mails are delivered to."""
    return Assigning(company, company.client, Mailbox(tmp_path / "mails"))
