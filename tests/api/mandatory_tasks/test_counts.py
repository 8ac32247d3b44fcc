"""Numbers of mandatory tasks per status."""

from typing import Any

from domain.foundation.access import Principal, Scope
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.api.mandatory_tasks.conftest import Given
from tests.api.mandatory_tasks.tasks import COUNTS, counted
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.company import learner_id


async def test_numbers_are_those_of_the_filter(as_admin: ApiClient, given: Given) -> None:
    """Each status by itself, what rests when it is asked for, withdrawn ones never."""
    assert await counted(as_admin) == (1, 1, 1, 1)
    assert await counted(as_admin, includesSuspended=True) == (2, 1, 1, 1)
    assert await counted(as_admin, statuses=["OVERDUE", "COMPLETED"]) == (0, 0, 1, 1)
    assert await counted(as_admin, departmentIds=["ext:D-1"]) == (1, 1, 0, 1)
    assert await counted(as_admin, targetIds=["ext:C-2"], hasDepartment=False) == (0, 0, 1, 0)
    assert await counted(as_admin, search="nobody") == (0, 0, 0, 0)


async def test_everybody_counts_what_they_see(
    api: Api,
    as_reader: ApiClient,
    as_trainer: ApiClient,
    as_learner: ApiClient,
    tenant: Tenant,
    another_admin: Principal,
    given: Given,
) -> None:
    """The same tasks as in the list."""
    assert await counted(as_reader) == (1, 1, 1, 1)
    assert await counted(as_trainer) == (1, 0, 0, 1)
    assert await counted(api.acting_as(given.people["Bert"])) == (1, 1, 0, 0)
    assert await counted(as_learner) == (0, 0, 0, 0)
    assert await counted(api.acting_as(another_admin)) == (0, 0, 0, 0)
    for scope in set(Scope) - {Scope.READ}:
        tool = await factories.create_service_account(tenant.id, scopes=[scope])
        assert await api.acting_as(tool).errors(COUNTS) == ["FORBIDDEN"]


async def test_a_task_is_overdue_from_midnight_on(api: Api, as_admin: ApiClient, given: Given) -> None:
    """Without anything having run."""
    api.now = api.now.replace(day=19, hour=23, minute=0)
    assert await counted(as_admin) == (1, 0, 1, 2)


async def test_bad_filters_are_refused(as_admin: ApiClient, given: Given) -> None:
    """As in the list."""
    bad: list[dict[str, Any]] = [{"learnerIds": ["x"]}, {"departmentIds": [learner_id(given.people["Anna"])]}]
    for filter in bad:
        assert await as_admin.errors(COUNTS, filter=filter) == ["INVALID"]
    many = {"targetIds": [ids.encode(ids.CONTENT, number) for number in range(1, 102)]}
    assert await as_admin.errors(COUNTS, filter=many) == ["TOO_MANY_ITEMS"]
