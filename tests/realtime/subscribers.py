"""The people of a company that changes, their credentials, and what each of them follows."""

from datetime import timedelta
from typing import Any, Self

from domain.foundation import clock
from domain.foundation.access import Principal, Role, Scope
from domain.foundation.settings import Settings
from domain.tenants.models import Tenant
from gql.contract.ids import CONTENT, DEPARTMENT, encode
from gql.identity.authentication import issue_token
from tests.realtime.company_at_work import Staff, id_of
from tests.support import factories
from tests.support.reference_client import ENROLLMENTS, LOG, NOTIFICATIONS, RULES, TASKS, Servers, Subscriber, Topic

TRAINERS, COURSES, DEPARTMENTS = 6, 6, 3
RULES_OF_COMPANY = (("Developer", "RELEASE"), ("Sales", "UNENROLL"), ("Support", "KEEP"))

CREATE_RULE = """mutation ($input: CreateAutoAssignmentRuleInput!) {
  createAutoAssignmentRule(input: $input) { errors { code message } rule { id } } }"""

Followed = tuple[Topic, dict[str, Any] | None]


class Crowd:
    """A company, and the `Authorization` values of its people."""

    def __init__(self, staff: Staff, credentials: dict[Role, list[str]], tool: str) -> None:
        self.staff = staff
        self._credentials = credentials
        #: A service account that may change everything.
        self.tool = tool

    @classmethod
    async def found(cls, tenant: Tenant, settings: Settings, servers: Servers, *, learners: int, admins: int) -> Self:
        """Make the company, with rules by which a reference value decides about courses.

        Nobody has the value yet, so there is nothing that a worker would have to do.
        """
        counts = {Role.ADMIN: admins, Role.TRAINER: TRAINERS, Role.LEARNER: learners}
        people = {
            role: [await factories.create_person(tenant.id, role=role) for _ in range(count)]
            for role, count in counts.items()
        }
        courses = [
            await factories.create_course(tenant.id, lesson_count=2, trainers=[trainer.learner_id or 0])
            for trainer in people[Role.TRAINER][:COURSES]
        ]
        course_ids: list[str] = [encode(CONTENT, course.id) for course in courses]
        departments = [await factories.create_place(tenant.id) for _ in range(DEPARTMENTS)]
        credentials = {role: [_token(settings, tenant, one) for one in group] for role, group in people.items()}
        rules = []
        for number, (value, when_unmet) in enumerate(RULES_OF_COMPANY):
            rule = {
                "name": f"Rule {number}",
                "contents": [{"id": id} for id in course_ids[number : number + 2]],
                "conditions": [{"refValue": {"fieldNumber": 1, "operator": "EQUALS", "values": [value]}}],
                "whenUnmet": when_unmet,
            }
            made = (await servers.answer(credentials[Role.ADMIN][0], CREATE_RULE, {"input": rule})).popitem()[1]
            assert not made["errors"], made
            rules.append(made["rule"]["id"])
        staff = Staff(
            learners=[id_of(one) for one in people[Role.LEARNER]],
            trainers=[id_of(one) for one in people[Role.TRAINER]],
            courses=course_ids,
            departments=[encode(DEPARTMENT, place.id) for place in departments],
            rules=rules,
        )
        tool = await factories.create_service_account(tenant.id, scopes=list(Scope))
        return cls(staff, credentials, f"Bearer {factories.api_key_of(tool)}")

    def subscribers(self, servers: Servers, count: int) -> list[Subscriber]:
        """Return subscribers of all kinds, half of them admins and an eighth trainers."""
        shares = {Role.ADMIN: count // 2, Role.TRAINER: count // 8}
        shares[Role.LEARNER] = count - sum(shares.values())
        followed = {Role.ADMIN: self._of_admins(), Role.TRAINER: OF_TRAINERS, Role.LEARNER: OF_LEARNERS}
        made = []
        for role, share in shares.items():
            credentials, topics = self._credentials[role], followed[role]
            for number in range(share):
                topic, by = topics[number % len(topics)]
                made.append(Subscriber(servers, credentials[number % len(credentials)], topic, by))
        return made

    def _of_admins(self) -> list[Followed]:
        staff = self.staff
        return [
            (ENROLLMENTS, {}),
            (TASKS, {}),
            (LOG, {}),
            (RULES, None),
            (ENROLLMENTS, {"isActive": True}),
            (ENROLLMENTS, {"ruleId": staff.rules[0], "statuses": ["NOT_STARTED"]}),
            (TASKS, {"departmentIds": staff.departments[:1]}),
            (LOG, {"ruleId": staff.rules[1]}),
            (TASKS, {"search": "Learner 1"}),
            (ENROLLMENTS, {"sources": ["MANAGER"]}),
            (ENROLLMENTS, {"contentIds": staff.courses[:2]}),
            (TASKS, {"statuses": ["IN_PROGRESS", "COMPLETED"]}),
            (LOG, {"actions": ["ENROLLED"]}),
            (LOG, {"learnerIds": staff.learners[:10]}),
        ]


OF_TRAINERS: list[Followed] = [(ENROLLMENTS, {"isActive": True}), (LOG, {}), (TASKS, {}), (ENROLLMENTS, {})]
OF_LEARNERS: list[Followed] = [(NOTIFICATIONS, None), (TASKS, {}), (ENROLLMENTS, {}), (LOG, {})]


def _token(settings: Settings, tenant: Tenant, person: Principal) -> str:
    token = issue_token(
        settings, tenant=tenant.slug, now=clock.now(), lifetime=timedelta(hours=1), learner_id=person.learner_id
    )
    return f"Bearer {token}"
