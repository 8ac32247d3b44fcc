"""Random histories of a small company: each step is done by the product and told to the oracle.

The same seed makes the same history, as what is drawn depends on the oracle's state alone.
"""

from random import Random

from domain.content.models import Content
from domain.foundation.access import Principal
from domain.people.models import Place, PlaceKind
from tests.scenarios.facts import (
    LEARNER,
    ORDER,
    Condition,
    PlaceCondition,
    Policy,
    RefCondition,
    Rule,
    StatusCondition,
)
from tests.scenarios.oracle import Oracle
from tests.support import company as sent
from tests.support.company import Company, Json

COURSES = ["A", "B", "C", "D"]
PATHS = {"P": {"A": True, "B": True}, "Q": {"B": True, "C": True}}
CONTENTS = [*COURSES, *PATHS]
CLIENTS, GROUPS = ["C1", "C2"], ["G1"]
VALUES = ["x", "y"]
MOST_RULES = 6
#: To whom things happen. The administrator Root is there too: rules take no notice of roles.
WORKERS = ["Ada", "Bob", "Eve"]
JOIN = sent.mutation("enrollSelf", "enrollment { id }")
LEAVE = sent.mutation("unenrollSelf", "enrollment { id }")
UPDATE_PATH = sent.mutation("updateLearningPath", "learningPath { id } propagation { status }")


class History:
    """One company and its oracle."""

    def __init__(self, company: Company, seed: int) -> None:
        self.random = Random(seed)
        self.company = company
        self.oracle = Oracle([*WORKERS, "Root"], {path: dict(courses) for path, courses in PATHS.items()})
        self.steps: list[str] = []
        self.people: dict[str, Principal] = {}
        self.contents: dict[str, Content] = {}
        self.places: dict[str, Place] = {}
        self.rule_ids: dict[str, str] = {}
        self._rule_count = 0

    async def begin(self) -> None:
        """Make the people, places and contents."""
        self.people = {name: await self.company.person(name) for name in WORKERS} | {"Root": self.company.admin}
        for title in COURSES:
            self.contents[title] = await self.company.course(title, lesson_count=2, is_self_enrollable=True)
        for title, courses in PATHS.items():
            self.contents[title] = await self.company.path(title, *[self.contents[course] for course in courses])
        for name in CLIENTS:
            self.places[name] = await self.company.place(PlaceKind.CLIENT, name)
        for name in GROUPS:
            self.places[name] = await self.company.place(
                PlaceKind.LEARNING_GROUP, name, owner_id=self.company.admin.learner_id
            )

    async def go_on(self) -> None:
        """Do one more step, of those that are possible now."""
        self.oracle.step += 1
        self.company.api.advance(minutes=1)
        possible = [(self.change, 6), (self.move, 3), (self.enroll, 4), (self.activate, 1), (self.change_path, 1)]
        possible += [(self.unenroll, 3), (self.join, 2), (self.leave, 2), (self.report, 4), (self.switch, 1)]
        if self.oracle.is_enabled and len(self.oracle.rules) < MOST_RULES:
            possible += [(self.create_rule, 5)]
        if self.oracle.rules:
            possible += [(self.delete_rule, 1)]
            if self.oracle.is_enabled:
                possible += [(self.edit_rule, 2), (self.backfill, 1)]
        (step,) = self.random.choices([do for do, _ in possible], [weight for _, weight in possible])
        await step()

    def note(self, text: str) -> None:
        """Write a step down."""
        self.steps.append(f"{self.oracle.step}. {text}")

    # People and managers.

    def _person(self, *, is_active: bool | None = None) -> str | None:
        names = [name for name in WORKERS if is_active in (None, self.oracle.people[name].is_active)]
        return self.random.choice(names) if names else None

    async def change(self) -> None:
        """Change reference values, and sometimes the clients, of one person."""
        name = self._person()
        assert name is not None
        numbers = self.random.sample([1, 2], self.random.choice([1, 1, 2]))
        refs = {number: self.random.choice([*VALUES, None]) for number in numbers}
        clients = None
        if self.random.random() < 0.3:
            clients = self.random.sample(CLIENTS, self.random.choice([0, 1, 2]))
        self.note(f"{name} gets {refs}" + (f" and the clients {clients}" if clients is not None else ""))
        changes: Json = {"refValues": [{"number": number, "value": value} for number, value in refs.items()]}
        if clients is not None:
            changes["clientIds"] = [sent.place_id(self.places[client]) for client in clients]
        await self.company.change(self.people[name], **changes)
        come = set(clients or [])
        self.oracle.change(name, refs, come, set() if clients is None else {*CLIENTS} - come)

    async def move(self) -> None:
        """Let some people into a place or out of it, by one mutation."""
        place = self.random.choice([*CLIENTS, *GROUPS])
        names = self.random.sample(WORKERS, self.random.choice([1, 2, 3]))
        is_in = self.random.random() < 0.6
        self.note(f"{names} {'come to' if is_in else 'leave'} {place}")
        field = "clientId" if place in CLIENTS else "learningGroupId"
        await self.company.do(
            sent.ADD_MEMBERS if is_in else sent.REMOVE_MEMBERS,
            target={field: sent.place_id(self.places[place])},
            learners=[{"id": sent.learner_id(self.people[name])} for name in names],
        )
        for name in names:
            self.oracle.change(name, {}, {place} if is_in else set(), set() if is_in else {place})

    async def activate(self) -> None:
        """Deactivate somebody, or reactivate them."""
        is_active = self.random.random() < 0.6
        name = self._person(is_active=not is_active)
        if name is None:
            return
        self.note(f"{name} is {'reactivated' if is_active else 'deactivated'}")
        document = sent.REACTIVATE if is_active else sent.DEACTIVATE
        await self.company.do(document, learner={"id": sent.learner_id(self.people[name])})
        self.oracle.activate(name, is_active)

    async def enroll(self) -> None:
        """Enroll somebody by hand."""
        if name := self._person(is_active=True):
            content = self.random.choice(CONTENTS)
            self.note(f"{name} is enrolled in {content} by hand")
            await self.company.enroll(self.people[name], self.contents[content])
            self.oracle.enroll(name, content)

    async def unenroll(self) -> None:
        """Unenroll somebody by hand from what they are enrolled in."""
        enrolled = [
            (name, content)
            for name, person in self.oracle.people.items()
            for content, enrollment in sorted(person.enrollments.items())
            if enrollment.reasons and person.is_active
        ]
        if enrolled:
            name, content = self.random.choice(enrolled)
            self.note(f"{name} is unenrolled from {content} by hand")
            await self.company.unenroll(self.people[name], self.contents[content])
            self.oracle.unenroll(name, content)

    async def join(self) -> None:
        """Let somebody enroll themselves in a course."""
        if name := self._person(is_active=True):
            course = self.random.choice(COURSES)
            self.note(f"{name} joins {course}")
            client = self.company.api.acting_as(self.people[name])
            await client.value(JOIN, input={"course": sent.key_of(self.contents[course])})
            self.oracle.enroll(name, course, LEARNER)

    async def leave(self) -> None:
        """Let somebody leave what they have joined."""
        joined = [
            (name, course)
            for name, person in self.oracle.people.items()
            for course, enrollment in sorted(person.enrollments.items())
            if LEARNER in enrollment.reasons and person.is_active
        ]
        if joined:
            name, course = self.random.choice(joined)
            self.note(f"{name} leaves {course}")
            client = self.company.api.acting_as(self.people[name])
            await client.value(LEAVE, input={"content": sent.key_of(self.contents[course])})
            self.oracle.leave(name, course)

    async def report(self) -> None:
        """Report progress in a course in which somebody is or was enrolled."""
        known = [
            (name, course)
            for name, person in self.oracle.people.items()
            for course in sorted(person.enrollments)
            if course in COURSES and person.is_active
        ]
        if known:
            name, course = self.random.choice(known)
            lessons = self.random.choice([1, 2])
            self.note(f"{name} has done {lessons} of 2 lessons of {course}")
            await self.company.report(self.people[name], self.contents[course], lessonsDone=lessons)
            self.oracle.report(name, course, lessons)

    async def change_path(self) -> None:
        """Give a learning path other courses."""
        path = self.random.choice([*PATHS])
        courses = {
            course: self.random.random() < 0.7 for course in self.random.sample(COURSES, self.random.choice([1, 2, 3]))
        }
        if not any(courses.values()):
            return
        self.note(f"{path} consists of {courses} (True: mandatory)")
        items = [
            {"courseId": sent.content_id(self.contents[course]), "isMandatory": is_mandatory}
            for course, is_mandatory in courses.items()
        ]
        await self.company.do(UPDATE_PATH, learningPath=sent.key_of(self.contents[path]), changes={"items": items})
        self.oracle.change_path(path, courses)

    async def switch(self) -> None:
        """Switch the feature off, or on again."""
        is_enabled = not self.oracle.is_enabled
        if not is_enabled and self.random.random() < 0.5:
            return
        self.note(f"Auto Assignment is switched {'on' if is_enabled else 'off'}")
        await self.company.switch(is_enabled)
        await self.company.run_jobs()
        self.oracle.switch(is_enabled)

    # Rules.

    def _condition(self) -> Condition:
        match self.random.choice(["ref", "ref", "ref", "place", "status", "status"]):
            case "ref":
                values = tuple(sorted(self.random.sample(VALUES, self.random.choice([1, 1, 2]))))
                return RefCondition(self.random.choice([1, 2]), self.random.random() < 0.3, values)
            case "place":
                kind = self.random.choice([CLIENTS, GROUPS])
                return PlaceCondition(tuple(self.random.sample(kind, self.random.choice([1, len(kind)]))))
            case _:
                status = self.random.choice([ORDER[0], *ORDER])
                return StatusCondition(status, tuple(self.random.sample(CONTENTS, self.random.choice([1, 1, 2]))))

    def _conditions(self) -> list[Condition]:
        conditions: list[Condition] = []
        for _ in range(self.random.choice([1, 1, 2, 3])):
            if (condition := self._condition()) not in conditions:
                conditions.append(condition)
        return conditions

    def _sent(self, condition: Condition) -> Json:
        match condition:
            case RefCondition(number, is_negative, values):
                return (sent.ref_is_not if is_negative else sent.ref_is)(number, *values)
            case PlaceCondition(places):
                return sent.belongs_to(*[self.places[place] for place in places])
            case StatusCondition(status, contents):
                return sent.status_is(status, *[self.contents[content] for content in contents])

    async def create_rule(self) -> None:
        """Create a rule, or copy one."""
        self._rule_count += 1
        name = f"R{self._rule_count:02}"
        backfills = self.random.random() < 0.7
        if self.oracle.rules and self.random.random() < 0.2:
            original = self.random.choice([*self.oracle.rules])
            known = self.oracle.rules[original]
            rule = Rule(dict.fromkeys(known.gives, self.oracle.step), known.conditions, known.match, known.when_unmet)
            self.note(f"{name} copies {original}, {backfills=}")
            saved = await self.company.do(
                sent.DUPLICATE_RULE,
                id=self.rule_ids[original],
                name=name,
                backfillsExistingLearners=backfills,
            )
        else:
            gives = self.random.sample(CONTENTS, self.random.choice([1, 1, 2, 3]))
            rule = Rule(
                dict.fromkeys(gives, self.oracle.step),
                self._conditions(),
                self.random.choice(["ALL", "ANY"]),
                self.random.choice(["KEEP", "UNENROLL", "UNENROLL", "RELEASE"]),
            )
            self.note(f"{name}: {rule.match} {rule.conditions} gives {gives}, {rule.when_unmet}, {backfills=}")
            saved = await self.company.rule(
                name,
                *[self._sent(condition) for condition in rule.conditions],
                gives=[self.contents[content] for content in gives],
                match=rule.match,
                when_unmet=rule.when_unmet,
                backfills=backfills,
            )
        self.rule_ids[name] = saved["rule"]["id"]
        self.oracle.create_rule(name, rule, backfills)

    async def edit_rule(self) -> None:
        """Change what can be changed of a rule."""
        name = self.random.choice([*self.oracle.rules])
        rule = self.oracle.rules[name]
        backfills = self.random.random() < 0.6
        adds = [content for content in CONTENTS if content not in rule.gives and self.random.random() < 0.3]
        removes: list[str] = []
        conditions: list[Condition] | None = None
        when_unmet: Policy | None = self.random.choice([None, "KEEP", "UNENROLL", "RELEASE"])
        if not rule.has_enrolled:
            if self.random.random() < 0.6:
                conditions = self._conditions()
            if adds and self.random.random() < 0.5:
                removes = [self.random.choice([*rule.gives])]
        self.note(f"{name} is edited: {adds=} {removes=} {conditions=} {when_unmet=} {backfills=}")
        changes: Json = {"name": name}
        if adds:
            changes["addContents"] = [sent.key_of(self.contents[content]) for content in adds]
        if removes:
            changes["removeContents"] = [sent.key_of(self.contents[content]) for content in removes]
        if conditions is not None:
            changes["conditions"] = [self._sent(condition) for condition in conditions]
        if when_unmet is not None:
            changes["whenUnmet"] = when_unmet
        await self.company.do(
            sent.UPDATE_RULE, id=self.rule_ids[name], changes=changes, backfillsExistingLearners=backfills
        )
        self.oracle.edit_rule(
            name, adds=adds, removes=removes, conditions=conditions, when_unmet=when_unmet, backfills=backfills
        )

    async def backfill(self) -> None:
        """Backfill a rule later."""
        name = self.random.choice([*self.oracle.rules])
        self.note(f"{name} is backfilled")
        await self.company.do(sent.BACKFILL_RULE, id=self.rule_ids[name])
        self.oracle.backfill(name)

    async def delete_rule(self) -> None:
        """Delete a rule."""
        name = self.random.choice([*self.oracle.rules])
        revokes = self.random.random() < 0.5
        self.note(f"{name} is deleted, {revokes=}")
        await self.company.do(sent.DELETE_RULE, id=self.rule_ids.pop(name), revokesAccess=revokes)
        self.oracle.delete_rule(name, revokes)
