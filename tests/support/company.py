"""A company whose administrator does everything through the API, and looks at what became of people there.

What exists before the story (people, places, courses) is made by the factories; what rules shall react to is sent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from domain.content.models import Content
from domain.foundation.access import Principal, Role
from domain.people.models import Place, PlaceKind
from domain.tenants.models import Tenant
from gql.contract import ids
from tests.support import factories
from tests.support.api import ERRORS, Api, ApiClient
from tests.support.jobs import run_all_jobs

Json: TypeAlias = dict[str, Any]

JOB = "id kind status totalCount processedCount failedCount canCancel"
RULE = """
id name match whenUnmet isPreparing hasEnrolledLearners editableParts enrolledLearnerCount revocableLearnerCount version
contents { id title }
conditions {
  __typename
  ... on ContentStatusCondition { contents { title } status }
  ... on SublicenseCondition { sublicenses { name } }
  ... on ClientCondition { clients { name } }
  ... on DepartmentCondition { departments { name } }
  ... on LearningGroupCondition { learningGroups { name } }
  ... on RefValueCondition { field { number } operator values }
}
"""
ACTION = "action source ruleName content { title } learner { id }"
SAVED = f"rule {{ {RULE} }} backfill {{ {JOB} }} preparation {{ {JOB} }}"
OUTCOME = f"autoAssignmentActionCount autoAssignmentActions {{ {ACTION} }}"


def mutation(name: str, selection: str, errors: str = ERRORS) -> str:
    """Return a mutation document."""
    return f"mutation($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{ {selection} {errors} }} }}"


CREATE_RULE = mutation("createAutoAssignmentRule", SAVED)
UPDATE_RULE = mutation(
    "updateAutoAssignmentRule",
    SAVED,
    ERRORS.replace("message", "message ... on RuleLockedError { editableParts }"),
)
DUPLICATE_RULE = mutation("duplicateAutoAssignmentRule", SAVED)
DELETE_RULE = mutation("deleteAutoAssignmentRule", f"deletedRuleId revocation {{ {JOB} }}")
BACKFILL_RULE = mutation("backfillAutoAssignmentRule", f"backfill {{ {JOB} }}")
CREATE_LEARNER = mutation("createLearner", f"learner {{ id }} {OUTCOME}")
UPDATE_LEARNER = mutation("updateLearner", f"learner {{ id version }} {OUTCOME}")
DEACTIVATE = mutation("deactivateLearner", OUTCOME)
REACTIVATE = mutation("reactivateLearner", OUTCOME)
BULK = mutation("bulkUpsertLearners", f"results {{ outcome {ERRORS} }} reevaluation {{ {JOB} }}")
ADD_MEMBERS = mutation("addMembers", f"{OUTCOME} reevaluation {{ {JOB} }}")
REMOVE_MEMBERS = mutation("removeMembers", f"{OUTCOME} reevaluation {{ {JOB} }}")
ENROLL = mutation("enrollLearner", f"enrollment {{ id }} {OUTCOME}")
UNENROLL = mutation("unenrollLearner", f"enrollment {{ id }} {OUTCOME}")
REPORT = mutation("recordCourseProgress", f"enrollment {{ id status }} {OUTCOME}")
SWITCH = mutation("setTenantFeature", f"tenant {{ enabledFeatures }} reevaluation {{ {JOB} }}")
PREVIEW = """
query($input: AutoAssignmentRulePreviewInput!) { autoAssignmentRulePreview(input: $input) {
  matchingLearnerCount sample { id name } canBackfill backfillsInBackground
  effects { content { title } newlyEnrolledCount alreadyEnrolledCount } } }
"""
RULES = f"""
query($first: Int! = 50, $after: String) {{ autoAssignmentRules(first: $first, after: $after) {{
  nodes {{ {RULE} }} totalCount pageInfo {{ hasNextPage endCursor }} }} }}
"""
ONE_RULE = f"query($id: ID!) {{ autoAssignmentRule(id: $id) {{ {RULE} }} }}"
ENROLLMENTS = """
query($filter: EnrollmentFilterInput) { enrollments(first: 100, filter: $filter) { totalCount nodes {
  isActive status expiresAt content { title } reasons { source ruleName } } } }
"""
LOG = """
query($filter: ContentActionFilterInput, $first: Int! = 100) {
  contentActions(first: $first, filter: $filter) {
    totalCount nodes { action source ruleId ruleName content { title } learner { id } actor { name } } } }
"""
ACCESS = "{ viewer { access(first: 100) { nodes { content { title } } } } }"

_PLACE_FIELDS = {
    PlaceKind.DEPARTMENT: ("departmentIds", "departmentId", ids.DEPARTMENT),
    PlaceKind.LEARNING_GROUP: ("learningGroupIds", "learningGroupId", ids.LEARNING_GROUP),
    PlaceKind.CLIENT: ("clientIds", "clientId", ids.CLIENT),
    PlaceKind.SUBLICENSE: ("sublicenseIds", "sublicenseId", ids.SUBLICENSE),
}


def learner_id(person: Principal | int) -> str:
    """Return a person's ID in the API."""
    key = person if isinstance(person, int) else person.learner_id
    assert key is not None
    return ids.encode(ids.LEARNER, key)


def content_id(content: Content) -> str:
    """Return a content's ID in the API."""
    return ids.encode(ids.CONTENT, content.id)


def place_id(place: Place) -> str:
    """Return a place's ID in the API."""
    return ids.encode(_PLACE_FIELDS[place.kind][2], place.id)


def key_of(content: Content) -> Json:
    """Return the key input of a content."""
    return {"id": content_id(content)}


def ref_is(number: int, *values: str) -> Json:
    """Return the condition that a reference value is one of these."""
    return {"refValue": {"fieldNumber": number, "operator": "EQUALS", "values": list(values)}}


def ref_is_not(number: int, *values: str) -> Json:
    """Return the condition that a reference value is none of these."""
    return {"refValue": {"fieldNumber": number, "operator": "NOT_EQUALS", "values": list(values)}}


def belongs_to(*places: Place) -> Json:
    """Return the condition that somebody belongs to one of these places, all of one kind."""
    return {_PLACE_FIELDS[places[0].kind][0]: [place_id(place) for place in places]}


def status_is(status: str, *contents: Content) -> Json:
    """Return the condition that one of the contents has the status."""
    return {"contentStatus": {"contents": [key_of(content) for content in contents], "status": status}}


def rule_input(
    name: str,
    *conditions: Json,
    gives: Iterable[Content],
    match: str = "ALL",
    when_unmet: str = "KEEP",
    backfills: bool | None = None,
) -> Json:
    """Return the input that creates a rule; without `backfills` the default of the schema counts."""
    fields: Json = {
        "name": name,
        "conditions": list(conditions),
        "contents": [key_of(content) for content in gives],
        "match": match,
        "whenUnmet": when_unmet,
    }
    return fields if backfills is None else fields | {"backfillsExistingLearners": backfills}


def _line(*words: str | None) -> str:
    return " ".join(word for word in words if word)


def told(actions: Iterable[Json]) -> list[str]:
    """Return log entries in a line each: action, title, source, and the rule if there is one."""
    return [_line(entry["action"], entry["content"]["title"], entry["source"], entry["ruleName"]) for entry in actions]


@dataclass(slots=True)
class Company:
    """Does things as the administrator."""

    api: Api
    tenant: Tenant
    admin: Principal
    client: ApiClient

    # What exists already.

    async def person(
        self, name: str, refs: Mapping[int, str] | None = None, places: Iterable[Place] = (), role: Role = Role.LEARNER
    ) -> Principal:
        """Make somebody who has been there for long."""
        return await factories.create_person(self.tenant.id, name=name, refs=refs, places=places, role=role)

    async def crowd(self, count: int, refs: Mapping[int, str] | None = None) -> list[int]:
        """Make many people who have been there for long."""
        return await factories.create_learners(self.tenant.id, count, refs=refs)

    async def course(self, title: str, **columns: Any) -> Content:
        """Make a course."""
        return await factories.create_course(self.tenant.id, title=title, **columns)

    async def path(self, title: str, *courses: Content) -> Content:
        """Make a learning path of mandatory courses."""
        return await factories.create_path(self.tenant.id, title=title, courses=courses)

    async def place(self, kind: PlaceKind, name: str, **columns: Any) -> Place:
        """Make a place."""
        return await factories.create_place(self.tenant.id, kind=kind, name=name, **columns)

    # What happens.

    async def do(self, document: str, **fields: Any) -> Any:
        """Send a mutation that has to work, and return its payload."""
        return await self.client.value(document, input=fields)

    async def refused(self, document: str, **fields: Any) -> list[tuple[str, str]]:
        """Send a mutation that is refused, and return code and path of the errors."""
        return await self.client.user_errors(document, input=fields)

    async def rule(self, name: str, *conditions: Json, gives: Iterable[Content], **options: Any) -> Json:
        """Create a rule and return the payload."""
        saved: Json = await self.do(CREATE_RULE, **rule_input(name, *conditions, gives=gives, **options))
        return saved

    async def edit(self, rule: Json, *, backfills: bool | None = None, **changes: Any) -> Json:
        """Change a rule, given as a payload of its creation, and return the payload."""
        options = {} if backfills is None else {"backfillsExistingLearners": backfills}
        saved: Json = await self.do(UPDATE_RULE, id=rule["rule"]["id"], changes=changes, **options)
        return saved

    async def delete(self, rule: Json, *, revokes: bool = False) -> Json:
        """Delete a rule and return the payload."""
        deleted: Json = await self.do(DELETE_RULE, id=rule["rule"]["id"], revokesAccess=revokes)
        return deleted

    async def set_ref(self, person: Principal, number: int, value: str | None) -> list[str]:
        """Change a reference value and return what rules did."""
        return await self.change(person, refValues=[{"number": number, "value": value}])

    async def change(self, person: Principal, **changes: Any) -> list[str]:
        """Change a learner and return what rules did."""
        payload = await self.do(UPDATE_LEARNER, learner={"id": learner_id(person)}, changes=changes)
        return told(payload["autoAssignmentActions"])

    async def move_in(self, person: Principal, place: Place) -> list[str]:
        """Add somebody to a group, client or sublicense and return what rules did."""
        return await self._member(ADD_MEMBERS, person, place)

    async def move_out(self, person: Principal, place: Place) -> list[str]:
        """Remove somebody from a group, client or sublicense and return what rules did."""
        return await self._member(REMOVE_MEMBERS, person, place)

    async def _member(self, document: str, person: Principal, place: Place) -> list[str]:
        target = {_PLACE_FIELDS[place.kind][1]: place_id(place)}
        payload = await self.do(document, target=target, learners=[{"id": learner_id(person)}])
        return told(payload["autoAssignmentActions"])

    async def enroll(self, person: Principal, content: Content) -> list[str]:
        """Enroll somebody by hand and return what rules did."""
        payload = await self.do(ENROLL, learner={"id": learner_id(person)}, content=key_of(content))
        return told(payload["autoAssignmentActions"])

    async def unenroll(self, person: Principal, content: Content) -> list[str]:
        """Unenroll somebody by hand and return what rules did."""
        payload = await self.do(UNENROLL, learner={"id": learner_id(person)}, content=key_of(content))
        return told(payload["autoAssignmentActions"])

    async def report(self, person: Principal, course: Content, **said: Any) -> list[str]:
        """Report progress and return what rules did."""
        payload = await self.do(REPORT, learner={"id": learner_id(person)}, course=key_of(course), **said)
        return told(payload["autoAssignmentActions"])

    async def switch(self, is_enabled: bool) -> Json:
        """Switch the feature."""
        payload: Json = await self.do(SWITCH, feature="AUTO_ASSIGNMENT", isEnabled=is_enabled)
        return payload

    async def run_jobs(self) -> int:
        """Do what waits in the background, and return how many jobs there were."""
        return await run_all_jobs(self.tenant, lambda: self.api.now)

    # What one sees.

    async def preview(self, *conditions: Json, gives: Iterable[Content] = (), **options: Any) -> Json:
        """Return the preview of a rule."""
        fields = {"conditions": list(conditions), "contents": [key_of(content) for content in gives], **options}
        preview: Json = await self.client.value(PREVIEW, input=fields)
        return preview

    async def rules(self) -> list[Json]:
        """Return all rules by name."""
        rules: list[Json] = (await self.client.value(RULES))["nodes"]
        return rules

    async def look_at(self, rule: Json) -> Json:
        """Return a rule as it is now, given the payload of its creation."""
        found: Json = await self.client.value(ONE_RULE, id=rule["rule"]["id"])
        return found

    async def enrolled(self, person: Principal) -> list[str]:
        """Return the titles of what somebody has access to, sorted."""
        return sorted(await self.reasons(person))

    async def reasons(self, person: Principal) -> dict[str, list[str]]:
        """Return why somebody has access, by title: sources, with the name of the rule."""
        filter = {"learnerIds": [learner_id(person)], "isActive": True}
        nodes = (await self.client.value(ENROLLMENTS, filter=filter))["nodes"]
        return {
            node["content"]["title"]: sorted(_line(reason["source"], reason["ruleName"]) for reason in node["reasons"])
            for node in nodes
        }

    async def count_enrolled(self, content: Content) -> int:
        """Return how many people have access to a content."""
        filter = {"contentIds": [content_id(content)], "isActive": True}
        count: int = (await self.client.value(ENROLLMENTS, filter=filter))["totalCount"]
        return count

    async def log(self, person: Principal | None = None, **filter: Any) -> list[str]:
        """Return the log in the order of recording, a line per entry."""
        if person is not None:
            filter["learnerIds"] = [learner_id(person)]
        nodes = (await self.client.value(LOG, filter=filter))["nodes"]
        return told(reversed(nodes))

    async def widget(self, person: Principal) -> list[str]:
        """Return what somebody finds in their own learner access widget, sorted."""
        access = (await self.api.acting_as(person).value(ACCESS))["access"]
        return sorted(node["content"]["title"] for node in access["nodes"])
