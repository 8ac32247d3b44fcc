"""Numbers of mandatory tasks group by group."""

from domain.foundation.access import Principal, Scope
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.api.mandatory_tasks.conftest import Given
from tests.api.mandatory_tasks.tasks import BREAKDOWN, grouped
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.company import content_id, learner_id, place_id


async def test_groups_come_with_the_most_overdue_first(
    as_admin: ApiClient, admin: Principal, trainer: Principal, sync_account: Principal, given: Given
) -> None:
    """Then those with the most open ones; each with the ID of what it is, and its name."""
    sales, tool = place_id(given.places["Sales"]), ids.encode(ids.SERVICE_ACCOUNT, sync_account.service_account_id or 0)
    fire, data = (content_id(given.contents[title]) for title in ("Fire", "Data"))
    assert await grouped(as_admin, "DEPARTMENT") == [
        (sales, "Sales", (1, 1, 0, 1)),
        (None, "No department", (0, 0, 1, 0)),
    ]
    assert await grouped(as_admin, "TARGET") == [(fire, "Fire", (1, 0, 0, 1)), (data, "Data", (0, 1, 1, 0))]
    assert await grouped(as_admin, "ASSIGNER") == [
        (learner_id(admin), "Ada Admin", (0, 1, 0, 1)),
        (learner_id(trainer), "Tina Trainer", (1, 0, 0, 0)),
        (tool, "HR sync", (0, 0, 1, 0)),
    ]


async def test_groups_that_are_alike_come_by_name(
    as_admin: ApiClient, tenant: Tenant, admin: Principal, given: Given
) -> None:
    """Ignoring case; people without a department last."""
    filter = {"filter": {"includesSuspended": True, "statuses": ["ASSIGNED"]}}
    assert [label for _, label, _ in await grouped(as_admin, "DEPARTMENT", **filter)] == ["Care", "Sales"]
    assert [label for _, label, _ in await grouped(as_admin, "TARGET", **filter)] == ["Data", "Fire"]
    done = {"filter": {"includesSuspended": True, "targetIds": ["ext:C-2"], "statuses": ["COMPLETED", "ASSIGNED"]}}
    assert [label for _, label, _ in await grouped(as_admin, "DEPARTMENT", **done)] == ["Care", "No department"]


async def test_as_many_groups_as_asked_for(as_admin: ApiClient, given: Given) -> None:
    """From 1 to 1,000."""
    assert [label for _, label, _ in await grouped(as_admin, "TARGET", first=1)] == ["Fire"]
    assert len(await grouped(as_admin, "TARGET", first=1_000)) == 2
    for first in (0, -1, 1_001):
        assert await as_admin.errors(BREAKDOWN, by="TARGET", first=first) == ["INVALID"]


async def test_everybody_groups_what_they_see(
    api: Api, as_reader: ApiClient, as_trainer: ApiClient, as_learner: ApiClient, tenant: Tenant, given: Given
) -> None:
    """The same tasks as in the list."""

    async def labels(client: ApiClient, by: str = "TARGET") -> list[str]:
        return [label for _, label, _ in await grouped(client, by)]

    assert await labels(as_reader) == ["Fire", "Data"]
    assert await labels(as_trainer) == ["Fire"]
    assert await labels(as_learner) == []
    bert = api.acting_as(given.people["Bert"])
    assert await labels(bert) == ["Data", "Fire"]
    assert await labels(bert, "ASSIGNER") == ["Ada Admin", "Tina Trainer"]
    for scope in set(Scope) - {Scope.READ}:
        tool = await factories.create_service_account(tenant.id, scopes=[scope])
        assert await api.acting_as(tool).errors(BREAKDOWN, by="TARGET") == ["FORBIDDEN"]
