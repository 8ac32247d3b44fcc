"""What people do, and what is done for them, is a fact that rules react to in the same transaction."""

from domain.content.models import Content
from domain.foundation.access import Principal
from domain.tenants.models import Tenant
from gql.contract.ids import CONTENT, encode
from tests.api.enrollments.operations import ENROLL, REPORT, about, facts_of, log_of, report
from tests.support import factories
from tests.support.api import ApiClient

CREATE_RULE = """
mutation ($input: CreateAutoAssignmentRuleInput!) {
  createAutoAssignmentRule(input: $input) { rule { id } errors { code path message } } }
"""
ACTIONS = """
autoAssignmentActionCount autoAssignmentActions { action source ruleName content { title } } errors { code path }
"""

REPORTED = f"mutation ($input: RecordCourseProgressInput!) {{ recordCourseProgress(input: $input) {{ {ACTIONS} }} }}"


async def give(client: ApiClient, target: Content, *, when: Content, status: str) -> None:
    """Make a rule that gives a content to whoever has a status in another."""
    condition = {"contentStatus": {"contents": [{"id": encode(CONTENT, when.id)}], "status": status}}
    await client.run(
        CREATE_RULE,
        input={
            "name": f"{status} {when.title}",
            "contents": [{"id": encode(CONTENT, target.id)}],
            "conditions": [condition],
            "match": "ALL",
        },
    )


async def test_a_report_sets_rules_off_and_the_payload_lists_what_they_did(
    as_admin: ApiClient, tenant: Tenant, learner: Principal
) -> None:
    """Completing A gives B at once; that B is not started is a rule's doing, so no rule reacts to it."""
    a, b, c = [await factories.create_course(tenant.id, title=title) for title in "ABC"]
    await give(as_admin, b, when=a, status="COMPLETED")
    await give(as_admin, c, when=b, status="NOT_STARTED")
    document = f"mutation ($input: EnrollLearnerInput!) {{ enrollLearner(input: $input) {{ {ACTIONS} }} }}"
    assert (await as_admin.value(document, input=about(learner, a)))["autoAssignmentActionCount"] == 0
    document = REPORTED
    payload = await as_admin.value(document, input=report(learner, a, isFinished=True))
    assert payload["autoAssignmentActionCount"] == 1
    assert payload["autoAssignmentActions"] == [
        {"action": "ENROLLED", "source": "AUTO_ENROLLMENT", "ruleName": "COMPLETED A", "content": {"title": "B"}}
    ]
    assert await facts_of(tenant.id, learner) == {"A": "COMPLETED"}
    # A manager on top makes it a fact.
    again = await as_admin.value(ENROLL, input=about(learner, b))
    assert (again["autoAssignmentActionCount"], again["errors"]) == (1, [])
    assert [step[:2] for step in await log_of(tenant.id)] == [
        ("A", "ENROLLED"),
        ("A", "COMPLETED"),
        ("B", "ENROLLED"),
        ("C", "ENROLLED"),
    ]


async def test_a_completed_path_sets_rules_off(as_admin: ApiClient, tenant: Tenant, learner: Principal) -> None:
    """The path's status is a fact of its own."""
    a, target = [await factories.create_course(tenant.id, title=title) for title in ("A", "Target")]
    path = await factories.create_path(tenant.id, title="Path", courses=[a])
    await give(as_admin, target, when=path, status="COMPLETED")
    await as_admin.run(ENROLL, input=about(learner, path))
    done = await as_admin.value(REPORT, input=report(learner, a, isFinished=True))
    assert done["autoAssignmentActionCount"] == 1
    assert (await log_of(tenant.id))[-2:] == [
        ("Path", "COMPLETED", "LEARNING_PATH"),
        ("Target", "ENROLLED", "AUTO_ENROLLMENT"),
    ]


async def test_trainers_are_not_told_what_rules_did_elsewhere(
    as_admin: ApiClient, as_trainer: ApiClient, tenant: Tenant, learner: Principal, trainer: Principal
) -> None:
    """A trainer's report lists only entries of contents that they train, and without the rule."""
    trained = [trainer.learner_id or 0]
    a, own = [await factories.create_course(tenant.id, title=title, trainers=trained) for title in ("A", "Own")]
    other = await factories.create_course(tenant.id, title="Other")
    await give(as_admin, own, when=a, status="IN_PROGRESS")
    await give(as_admin, other, when=a, status="COMPLETED")
    await as_trainer.run(ENROLL, input=about(learner, a))
    document = REPORTED
    begun = await as_trainer.value(document, input=report(learner, a, score=5))
    assert begun["autoAssignmentActions"] == [
        {"action": "ENROLLED", "source": "AUTO_ENROLLMENT", "ruleName": None, "content": {"title": "Own"}}
    ]
    done = await as_trainer.value(document, input=report(learner, a, isFinished=True))
    assert done["autoAssignmentActions"] == []
