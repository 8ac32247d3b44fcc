"""What somebody has been told, what they have read of it, and whether they want emails."""

from datetime import timedelta
from typing import Any

import pytest

from domain.foundation.access import Principal
from domain.notifications.models import NotificationKind
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.api.notifications.documents import AUDIT, MARK, NODE, NOTIFICATIONS, PREFER, PREFERENCES
from tests.support import factories
from tests.support.api import Api, ApiClient
from tests.support.catalogue import Connection


async def tell(principal: Principal, *titles: str, **columns: Any) -> list[str]:
    """Give somebody notifications, oldest first; return their IDs in the API."""
    assert principal.learner_id is not None
    made = [
        await factories.create_notification(principal.tenant_id, principal.learner_id, title=title, **columns)
        for title in titles
    ]
    return [ids.encode(ids.NOTIFICATION, notification.id) for notification in made]


async def inbox(client: ApiClient, **variables: Any) -> dict[str, Any]:
    """Return a page of the viewer's notifications."""
    page: dict[str, Any] = (await client.value(NOTIFICATIONS, **variables))["notifications"]
    return page


def titles(page: dict[str, Any]) -> list[str]:
    """Return the titles of a page."""
    return [node["title"] for node in page["nodes"]]


async def mark(client: ApiClient, **input: Any) -> list[tuple[str, bool]]:
    """Mark notifications as read; return titles and whether they are."""
    marked = (await client.value(MARK, input=input))["notifications"]
    return [(notification["title"], notification["isRead"]) for notification in marked]


async def test_notifications_are_ones_own_newest_first(
    tenant: Tenant, learner: Principal, admin: Principal, as_learner: ApiClient, as_admin: ApiClient
) -> None:
    """With what they are about; admins do not see those of others, neither in a list nor by ID."""
    course = await factories.create_course(tenant.id, title="First aid")
    await tell(learner, "Old")
    [id] = await tell(learner, "New", kind=NotificationKind.TASK_REMINDER, content_id=course.id)
    await tell(admin, "Of the admin")
    page = await inbox(as_learner)
    assert (titles(page), page["totalCount"]) == (["New", "Old"], 2)
    assert page["changeCursor"]
    assert page["nodes"][0] == {
        "id": id,
        "category": "MANDATORY_TASKS",
        "kind": "TASK_REMINDER",
        "title": "New",
        "isRead": False,
        "createdAt": "2026-01-05T08:00:00Z",
        "content": {"title": "First aid"},
    }
    assert page["nodes"][1]["content"] is None
    assert titles(await inbox(as_admin)) == ["Of the admin"]
    assert await as_learner.value(NODE, id=id) == {"id": id, "title": "New"}
    assert await as_admin.value(NODE, id=id) is None


async def test_pages_of_unread_ones(learner: Principal, as_learner: ApiClient, api: Api) -> None:
    """A cursor belongs to one restriction."""
    await tell(learner, "1", "2", "3")
    await tell(learner, "read", read_at=factories.LONG_AGO)
    first = await inbox(as_learner, first=2, isRead=False)
    assert (titles(first), first["totalCount"]) == (["3", "2"], 3)
    cursor = first["pageInfo"]["endCursor"]
    assert titles(await inbox(as_learner, first=2, after=cursor, isRead=False)) == ["1"]
    assert titles(await inbox(as_learner, isRead=True)) == ["read"]
    assert await as_learner.errors(NOTIFICATIONS, after=cursor) == ["INVALID"]


async def test_service_accounts_have_none_of_it(as_sync: ApiClient) -> None:
    """Lists are empty, changes are forbidden, whatever the scopes."""
    page = await inbox(as_sync)
    assert (titles(page), page["totalCount"]) == ([], 0)
    assert (await as_sync.value(PREFERENCES))["notificationPreferences"] == []
    assert await as_sync.errors(MARK, input={"ids": []}) == ["FORBIDDEN"]
    wanted = {"category": "MANDATORY_TASKS", "isEmailEnabled": False}
    assert await as_sync.errors(PREFER, input=wanted) == ["FORBIDDEN"]


async def test_named_ones_are_marked(learner: Principal, as_learner: ApiClient, superuser: Connection) -> None:
    """In the order in which they are named; one that is read already stays as it is."""
    first, second, _ = await tell(learner, "1", "2", "3")
    assert await mark(as_learner, ids=[second, first, second]) == [("2", True), ("1", True)]
    assert await mark(as_learner, ids=[first]) == [("1", True)]
    assert await mark(as_learner, ids=[]) == []
    assert [(node["title"], node["isRead"]) for node in (await inbox(as_learner))["nodes"]] == [
        ("3", False),
        ("2", True),
        ("1", True),
    ]
    changes = await superuser.fetch("SELECT version FROM change_pending WHERE object_type = 'NOTIFICATION'")
    assert [record[0] for record in changes] == [2, 2]


async def test_one_with_all_older_ones(learner: Principal, admin: Principal, as_learner: ApiClient) -> None:
    """The ones named come first, then the others, newest first; nobody else's are touched."""
    await tell(admin, "of the admin")
    first, _, third, fourth = await tell(learner, "1", "2", "3", "4")
    assert await mark(as_learner, untilId=third) == [("3", True), ("2", True), ("1", True)]
    await tell(learner, "5")
    assert await mark(as_learner, untilId=fourth, ids=[first]) == [("1", True), ("4", True)]
    assert titles(await inbox(as_learner, isRead=False)) == ["5"]


async def test_many_are_marked_and_the_newest_shown(learner: Principal, as_learner: ApiClient) -> None:
    """An inbox of years is one statement; the answer stays a page."""
    told = await tell(learner, *(str(number) for number in range(130)))
    marked = await mark(as_learner, untilId=told[-1])
    assert [title for title, _ in marked] == [str(number) for number in range(129, 28, -1)]
    assert (await inbox(as_learner, isRead=False))["totalCount"] == 0


async def test_what_is_not_ones_own_is_not_found(
    learner: Principal, admin: Principal, as_learner: ApiClient, superuser: Connection
) -> None:
    """All of it is told together, and nothing is marked."""
    [own] = await tell(learner, "own")
    [theirs] = await tell(admin, "theirs")
    refused = await as_learner.user_errors(MARK, input={"ids": [own, theirs, "x"], "untilId": theirs})
    assert refused == [("NOT_FOUND", "input.ids.1"), ("NOT_FOUND", "input.ids.2"), ("NOT_FOUND", "input.untilId")]
    assert await as_learner.user_errors(MARK, input={"ids": [own] * 101}) == [("TOO_MANY_ITEMS", "input.ids")]
    assert await as_learner.user_errors(MARK, input={}) == [("INVALID", "")]
    assert await superuser.fetchval("SELECT count(*) FROM notification WHERE read_at IS NOT NULL") == 0


async def test_marking_again_with_the_same_key_answers_the_same(learner: Principal, as_learner: ApiClient) -> None:
    """What came meanwhile stays unread."""
    _, second = await tell(learner, "1", "2")
    expected = [("2", True), ("1", True)]
    assert await mark(as_learner, untilId=second, idempotencyKey="k") == expected
    await tell(learner, "3")
    assert await mark(as_learner, untilId=second, idempotencyKey="k") == expected
    assert titles(await inbox(as_learner, isRead=False)) == ["3"]


async def test_emails_are_wanted_until_they_are_switched_off(
    as_learner: ApiClient, as_admin: ApiClient, api: Api, superuser: Connection
) -> None:
    """Per category; each change is an entry of the audit log, and what is so already is none."""
    default = [{"category": "MANDATORY_TASKS", "isEmailEnabled": True}]
    assert (await as_learner.value(PREFERENCES))["notificationPreferences"] == default

    async def prefer(is_enabled: bool) -> None:
        api.now += timedelta(minutes=1)
        wanted = {"category": "MANDATORY_TASKS", "isEmailEnabled": is_enabled}
        assert (await as_learner.value(PREFER, input=wanted))["preference"] == wanted
        assert (await as_learner.value(PREFERENCES))["notificationPreferences"] == [wanted]

    for is_enabled in (True, False, False, True, True, False):
        await prefer(is_enabled)
    assert (await as_admin.value(PREFERENCES))["notificationPreferences"] == default
    entries = (await as_admin.value(AUDIT))["nodes"]
    field = "isEmailEnabled.MANDATORY_TASKS"
    assert [(entry["operation"], entry["actor"]["name"], entry["changes"]) for entry in entries] == [
        ("setNotificationPreference", "Lea Learner", [{"field": field, "before": before, "after": after}])
        for before, after in (("true", "false"), ("false", "true"), ("true", "false"))
    ]


@pytest.mark.parametrize("category", ["NEWS", "mandatory_tasks"])
async def test_other_categories_do_not_exist(as_learner: ApiClient, category: str) -> None:
    """They are no values of the enum."""
    assert await as_learner.errors(PREFER, input={"category": category, "isEmailEnabled": True}) == ["BAD_VARIABLES"]
