"""Who may ask for what: every field of Query and Mutation, and what each kind of caller gets of it.

A field that is not in the table fails the test: whoever adds one has to say whose it is.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from domain.foundation.access import Role, Scope
from domain.tenants.models import Tenant
from tests.security.footprint import footprint
from tests.security.inputs import DELETED, RootField, failures, is_empty, root_fields
from tests.security.world import CALLERS, World, populate
from tests.support.api import Api
from tests.support.catalogue import Connection

YES = "yes"
#: The role or the scopes never allow the field.
NO = "FORBIDDEN"
#: Allowed, but what is named here does not exist for the caller: null, an empty list, or NOT_FOUND.
NOTHING = "nothing"
MISSING = "NOT_FOUND"
SEEN_ONLY = "NOT_PERMITTED"


@dataclass(frozen=True, slots=True)
class Rights:
    """What each kind of caller gets; admins get everything."""

    learner: str
    trainer: str
    #: Tools with READ, tools with the scope that the field needs, and all other tools.
    reader: str
    tool: str = NO
    scope: Scope | None = None

    def of(self, caller: str) -> str:
        """Return what a kind of caller gets."""
        people = {Role.LEARNER.value: self.learner, Role.TRAINER.value: self.trainer, Role.ADMIN.value: YES}
        if caller in people:
            return people[caller]
        if self.scope is not None and caller == self.scope.value:
            return YES
        return self.reader if caller == Scope.READ.value else self.tool


EVERYBODY = Rights(YES, YES, YES, tool=YES)
ADMINS = Rights(NO, NO, NO)
ADMINS_AND_READERS = Rights(NO, NO, YES)
ADMINS_READERS_AND_TRAINERS = Rights(NO, YES, YES)
#: Each the part that they may see, of which the tenant of the test has something.
PEOPLE_AND_READERS = Rights(YES, YES, YES)
THEMSELVES = Rights(YES, YES, NO)


def writers(scope: Scope, *, learner: str = NO, trainer: str = NO) -> Rights:
    """Return the rights of a mutation that admins and tools with a scope may ask for."""
    return Rights(learner, trainer, NO, scope=scope)


PEOPLE = writers(Scope.WRITE_LEARNERS)
GROUPS = writers(Scope.WRITE_LEARNERS, trainer=YES)
CONTENT = writers(Scope.WRITE_CONTENT)
ENROLLMENTS = writers(Scope.WRITE_ENROLLMENTS, trainer=YES)
RULES = writers(Scope.WRITE_RULES)
TASKS = writers(Scope.WRITE_MANDATORY_TASKS, trainer=YES)
TEMPLATES = writers(Scope.WRITE_MANDATORY_TASKS, trainer=YES)
#: The job here was started by the admin.
JOBS = Rights(NO, MISSING, SEEN_ONLY, tool=MISSING)

#: `api.md` says it field by field; here it is per caller. Objects are the trainer's where trainers have own ones.
MATRIX: dict[str, Rights] = {
    "viewer": EVERYBODY,
    "tenant": EVERYBODY,
    "serviceAccounts": ADMINS,
    "auditEntries": ADMINS,
    "node": Rights(NOTHING, YES, YES, tool=NOTHING),
    "nodes": Rights(NOTHING, YES, YES, tool=NOTHING),
    "backgroundJob": Rights(NO, NOTHING, YES, tool=NOTHING),
    # The trainer has a job of their own.
    "backgroundJobs": Rights(NO, YES, YES, tool=NOTHING),
    "content": PEOPLE_AND_READERS,
    "contents": PEOPLE_AND_READERS,
    "enrollments": PEOPLE_AND_READERS,
    "contentActions": Rights(NOTHING, YES, YES),
    "learner": Rights(NOTHING, YES, YES),
    "learners": PEOPLE_AND_READERS,
    "departments": ADMINS_READERS_AND_TRAINERS,
    "learningGroups": ADMINS_READERS_AND_TRAINERS,
    "clients": ADMINS_AND_READERS,
    "sublicenses": ADMINS_AND_READERS,
    "mandatoryTask": Rights(NOTHING, YES, YES),
    "bulkAssignmentPreview": ADMINS_READERS_AND_TRAINERS,
    "bulkAssignments": ADMINS_READERS_AND_TRAINERS,
    "mandatoryTasks": Rights(NOTHING, YES, YES),
    "mandatoryTaskCounts": Rights(NOTHING, YES, YES),
    "mandatoryTaskBreakdown": Rights(NOTHING, YES, YES),
    "renewCalendarUrl": THEMSELVES,
    "assignMandatoryTask": TASKS,
    "bulkAssignMandatoryTasks": TASKS,
    "updateMandatoryTask": TASKS,
    "withdrawMandatoryTask": TASKS,
    "autoAssignmentRule": ADMINS_AND_READERS,
    "autoAssignmentRules": ADMINS_AND_READERS,
    "autoAssignmentRulePreview": ADMINS_AND_READERS,
    "autoAssignmentRuleExplanation": ADMINS_AND_READERS,
    "autoAssignmentSimulation": ADMINS_AND_READERS,
    "createServiceAccount": ADMINS,
    "revokeServiceAccount": ADMINS,
    "updateTenant": ADMINS,
    "setTenantFeature": ADMINS,
    "createCourse": CONTENT,
    "createLearningPath": CONTENT,
    "updateCourse": CONTENT,
    "updateLearningPath": CONTENT,
    "enrollSelf": THEMSELVES,
    "unenrollSelf": THEMSELVES,
    "recordPurchase": writers(Scope.WRITE_ENROLLMENTS),
    "enrollLearner": ENROLLMENTS,
    "unenrollLearner": ENROLLMENTS,
    "recordCourseProgress": writers(Scope.WRITE_ENROLLMENTS, learner=MISSING, trainer=YES),
    "bulkRecordCourseProgress": writers(Scope.WRITE_ENROLLMENTS),
    "createLearner": PEOPLE,
    "updateLearner": PEOPLE,
    "bulkUpsertLearners": PEOPLE,
    "deactivateLearner": PEOPLE,
    "reactivateLearner": PEOPLE,
    "eraseLearner": ADMINS,
    "createDepartment": PEOPLE,
    "updateDepartment": PEOPLE,
    "deleteDepartment": PEOPLE,
    "createLearningGroup": GROUPS,
    "updateLearningGroup": GROUPS,
    "deleteLearningGroup": GROUPS,
    "createClient": PEOPLE,
    "updateClient": PEOPLE,
    "deleteClient": PEOPLE,
    "createSublicense": PEOPLE,
    "updateSublicense": PEOPLE,
    "deleteSublicense": PEOPLE,
    "addMembers": GROUPS,
    "removeMembers": GROUPS,
    "cancelBackgroundJob": JOBS,
    "resumeBackgroundJob": JOBS,
    "createAutoAssignmentRule": RULES,
    "updateAutoAssignmentRule": RULES,
    "duplicateAutoAssignmentRule": RULES,
    "deleteAutoAssignmentRule": RULES,
    "backfillAutoAssignmentRule": RULES,
    "emailTemplates": Rights(NO, YES, YES),
    "emailPreview": Rights(NO, YES, YES),
    "createEmailTemplate": TEMPLATES,
    "updateEmailTemplate": TEMPLATES,
    "deleteEmailTemplate": TEMPLATES,
    # The notification here is the admin's.
    "markNotificationsRead": Rights(MISSING, MISSING, NO),
    "setNotificationPreference": THEMSELVES,
}


@pytest.fixture
async def world(api: Api, tenant: Tenant) -> World:
    """The tenant in which everybody tries everything."""
    return await populate(api, tenant)


def outcome_of(field: RootField, result: dict[str, Any]) -> str:
    """Return what a caller got."""
    refused = failures(result)
    if refused:
        return ", ".join(sorted({code for code, _ in refused}))
    return NOTHING if is_empty(result["data"][field.name]) else YES


def data_of(result: dict[str, Any], field: RootField) -> Any:
    """Return whatever a refused caller has been shown besides why: nothing, and lists without items."""
    payload = result["data"][field.name]
    return payload and {
        name: value for name, value in payload.items() if value and name not in ("__typename", "errors")
    }


def test_each_field_is_somebodys() -> None:
    """The table has a line for every field of Query and Mutation, and for nothing else."""
    assert sorted(MATRIX) == sorted(field.name for field in root_fields())


async def test_who_may_not_gets_nothing_and_changes_nothing(world: World, superuser: Connection) -> None:
    """Refused callers are told why as the table says, see no data, and leave every row of every table as it is."""
    before = await footprint(superuser)
    wrong = {}
    for field in root_fields():
        document, variables = field.operation(world.objects)
        for caller in CALLERS:
            expected = MATRIX[field.name].of(caller)
            if expected == YES:
                continue
            result = await world.client(caller).execute(document, **variables)
            if outcome_of(field, result) != expected or (expected != NOTHING and data_of(result, field)):
                wrong[f"{field.name} by {caller}"] = expected, result
        if field.is_mutation and await footprint(superuser) != before:
            wrong[field.name] = "something was written", {}
            before = await footprint(superuser)
    assert wrong == {}, "\n".join(f"{k}: {v}" for k, v in wrong.items())


async def test_who_may_is_served(world: World) -> None:
    """The same operations work for those who are allowed to, so it was the right that was missing."""
    wrong = {}
    for field in root_fields():
        for caller in CALLERS:
            if MATRIX[field.name].of(caller) != YES:
                continue
            present = await world.with_spare(DELETED[field.name]) if field.name in DELETED else world
            document, variables = field.operation(present.objects)
            result = await world.client(caller).execute(document, **variables)
            if outcome_of(field, result) != YES:
                wrong[f"{field.name} by {caller}"] = result
    assert wrong == {}, "\n".join(f"{k}: {v}" for k, v in wrong.items())


async def test_trainers_name_people_by_what_they_see_of_them(world: World) -> None:
    """Wherever somebody is named whom trainers see: by ID and by email address, and never by the partner's ID."""
    trainer = world.client(Role.TRAINER.value)
    wrong = {}
    places = 0
    for field in root_fields():
        if MATRIX[field.name].of(Role.TRAINER.value) != YES:
            continue
        for place in field.places():
            if place.kind != "learner" or field.name in ("node", "nodes"):
                continue
            places += 1
            present = await world.with_spare(DELETED[field.name]) if field.name in DELETED else world
            learner = present.objects["learner"]
            assert learner.email is not None
            assert learner.external_id is not None
            by_email = learner.email if place.attribute == "email" else f"email:{learner.email.upper()}"
            by_external_id = learner.external_id if place.attribute == "external_id" else f"ext:{learner.external_id}"
            if place.attribute != "external_id":
                document, variables = field.operation(present.objects, place, by_email)
                found = await trainer.execute(document, **variables)
                if outcome_of(field, found) in (NOTHING, MISSING):
                    wrong[f"{field.name} {place} by email"] = found
            if place.attribute != "email":
                document, variables = field.operation(present.objects, place, by_external_id)
                hidden = await trainer.execute(document, **variables)
                if outcome_of(field, hidden) not in (NOTHING, MISSING):
                    wrong[f"{field.name} {place} by external ID"] = hidden
    assert wrong == {}, "\n".join(f"{k}: {v}" for k, v in wrong.items())
    assert places
