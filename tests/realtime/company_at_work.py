"""People who change a company through the API, each change until it is answered, and with a key so that it is one."""

import asyncio
import uuid
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

from domain.foundation.access import Principal
from gql.contract.ids import LEARNER, encode
from tests.support.reference_client import Servers

REF_VALUES = ["Developer", "Sales", "Support", None]
#: What is refused because somebody else was faster, or because of what holds the object.
REFUSALS = frozenset(
    {"TASK_ALREADY_ASSIGNED", "TASK_ALREADY_COMPLETED", "ENROLLMENT_IS_MANDATORY", "NOT_FOUND", "NOT_PERMITTED"}
)

UPDATE_LEARNER = """mutation ($input: UpdateLearnerInput!) {
  updateLearner(input: $input) { errors { code message } learner { id } } }"""
ENROLL = """mutation ($input: EnrollLearnerInput!) {
  enrollLearner(input: $input) { errors { code message } enrollment { id } } }"""
UNENROLL = """mutation ($input: UnenrollLearnerInput!) {
  unenrollLearner(input: $input) { errors { code message } enrollment { id } } }"""
PROGRESS = """mutation ($input: RecordCourseProgressInput!) {
  recordCourseProgress(input: $input) { errors { code message } enrollment { id } } }"""
ASSIGN = """mutation ($input: AssignMandatoryTaskInput!) {
  assignMandatoryTask(input: $input) { errors { code message } mandatoryTask { id } } }"""
WITHDRAW = """mutation ($input: WithdrawMandatoryTaskInput!) {
  withdrawMandatoryTask(input: $input) { errors { code message } } }"""
UPDATE_COURSE = """mutation ($input: UpdateCourseInput!) {
  updateCourse(input: $input) { errors { code message } course { id } } }"""
UPDATE_RULE = """mutation ($input: UpdateAutoAssignmentRuleInput!) {
  updateAutoAssignmentRule(input: $input) { errors { code message } rule { id } } }"""


@dataclass(frozen=True, slots=True)
class Staff:
    """Whom and what writers change, by the IDs of the API."""

    learners: list[str]
    trainers: list[str]
    courses: list[str]
    departments: list[str]
    rules: list[str]


def id_of(principal: Principal) -> str:
    """Return the ID of a person as the API has it."""
    assert principal.learner_id is not None
    return encode(LEARNER, principal.learner_id)


class Writer:
    """One client that changes something all the time."""

    def __init__(self, servers: Servers, authorization: str, staff: Staff, today: date, random: Random) -> None:
        self._servers = servers
        self._authorization = authorization
        self._staff = staff
        self._today = today
        self._random = random
        self._tasks: list[str] = []
        self.change_count = 0

    async def write_until(self, is_over: asyncio.Event, *, pause: float) -> None:
        """Change one thing after another."""
        changes = {
            self._move: 8,
            self._rename: 2,
            self._enroll: 4,
            self._unenroll: 2,
            self._report: 6,
            self._assign: 4,
            self._withdraw: 2,
            self._rename_rule: 1,
            self._exchange_trainer: 0.2,
        }
        while not is_over.is_set():
            (change,) = self._random.choices(list(changes), list(changes.values()))
            await change()
            self.change_count += 1
            await asyncio.sleep(pause)

    async def _do(self, document: str, **input: Any) -> Any:
        key = str(uuid.UUID(int=self._random.getrandbits(128)))
        data = await self._servers.answer(self._authorization, document, {"input": {**input, "idempotencyKey": key}})
        (payload,) = data.values()
        codes = {error["code"] for error in payload["errors"]}
        assert codes <= REFUSALS, payload
        return payload

    def _learner(self) -> dict[str, str]:
        return {"id": self._random.choice(self._staff.learners)}

    def _course(self) -> dict[str, str]:
        return {"id": self._random.choice(self._staff.courses)}

    async def _move(self) -> None:
        changes: dict[str, Any] = {"refValues": [{"number": 1, "value": self._random.choice(REF_VALUES)}]}
        if self._random.random() < 0.2:
            changes["departmentId"] = self._random.choice(self._staff.departments)
        await self._do(UPDATE_LEARNER, learner=self._learner(), changes=changes)

    async def _rename(self) -> None:
        changes = {"name": f"Learner {self._random.randrange(1_000)}"}
        await self._do(UPDATE_LEARNER, learner=self._learner(), changes=changes)

    async def _enroll(self) -> None:
        await self._do(ENROLL, learner=self._learner(), content=self._course())

    async def _unenroll(self) -> None:
        await self._do(UNENROLL, learner=self._learner(), content=self._course())

    async def _report(self) -> None:
        await self._do(
            PROGRESS,
            learner=self._learner(),
            course=self._course(),
            lessonsDone=self._random.randrange(3),
            score=self._random.randrange(101),
        )

    async def _assign(self) -> None:
        due_on = self._today + timedelta(days=self._random.randrange(30, 90))
        made = await self._do(ASSIGN, learner=self._learner(), target=self._course(), dueOn=due_on.isoformat())
        if made["mandatoryTask"] is not None:
            self._tasks.append(made["mandatoryTask"]["id"])

    async def _withdraw(self) -> None:
        if self._tasks:
            id = self._tasks.pop(self._random.randrange(len(self._tasks)))
            await self._do(WITHDRAW, id=id, keepsEnrollment=self._random.random() < 0.5)

    async def _rename_rule(self) -> None:
        number = self._random.randrange(len(self._staff.rules))
        name = f"Rule {number}, {self._random.randrange(1_000)}"
        await self._do(UPDATE_RULE, id=self._staff.rules[number], changes={"name": name})

    async def _exchange_trainer(self) -> None:
        trainers = self._random.sample(self._staff.trainers, 2)
        await self._do(UPDATE_COURSE, course=self._course(), changes={"trainerIds": trainers})
