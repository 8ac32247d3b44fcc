"""Stories that are replayed: a company with somebody in every position, and steps of which streams have to tell.

Each step names what it is about (mutations, kinds of jobs, sweeps) and which streams it moves at least. After it every
replica has to hold what its query finds.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest

from domain.content.models import Content
from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import ReadScope
from domain.foundation.feed.changes import ObjectType
from domain.people.models import Place, PlaceKind
from domain.tenants.models import Tenant
from tests.support import factories
from tests.support.api import ERRORS, Api
from tests.support.company import content_id, learner_id, place_id
from tests.support.jobs import run_all_jobs
from tests.support.live import LiveServer
from tests.support.replaying import (
    BRIEF_ENROLLMENTS,
    BRIEF_LOG,
    BRIEF_TASKS,
    ENROLLMENTS,
    JOBS,
    LOG,
    NOTIFICATIONS,
    RULE_LIST,
    RULES,
    TASKS,
    Gallery,
    Kind,
)

Json: TypeAlias = dict[str, Any]

#: Streams by the letters that steps use.
STREAMS = {
    "t": TASKS,
    "e": ENROLLMENTS,
    "l": LOG,
    "r": RULES,
    "j": JOBS,
    "n": NOTIFICATIONS,
}
#: Modules that decide from how many people on something is a job.
DECIDING = (
    "domain.enrollments.path_changes",
    "domain.mandatory_tasks.bulk.assigning",
    "domain.mandatory_tasks.dates.time_zones",
    "domain.auto_assignment.evaluation.evaluating",
    "domain.auto_assignment.rules.deletion",
    "domain.auto_assignment.switch",
    "domain.auto_assignment.evaluation.backfill",
)


class Story:
    """A company in which things happen, and the replicas of those who watch."""

    def __init__(self, api: Api, tenant: Tenant, gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api = api
        self.tenant = tenant
        self.gallery = gallery
        self.monkeypatch = monkeypatch
        self.people: dict[str, Principal] = {}
        self.contents: dict[str, Content] = {}
        self.places: dict[str, Place] = {}
        #: IDs of what came up on the way.
        self.ids: dict[str, str] = {}
        #: Mutations that were sent since the last look.
        self.sent: set[str] = set()

    async def do(self, mutation: str, selection: str = "", by: str = "admin", **input: Any) -> Json:
        """Send a mutation that has to work, as somebody, and return its payload."""
        self.sent.add(mutation)
        type_name = f"{mutation[0].upper()}{mutation[1:]}Input"
        client = self.api.acting_as(self.people[by])
        payload: Json = await client.value(
            f"mutation ($input: {type_name}!) {{ {mutation}(input: $input) {{ {selection} {ERRORS} }} }}", input=input
        )
        return payload

    def who(self, name: str) -> Json:
        """Return the key of somebody."""
        return {"id": learner_id(self.people[name])}

    def what(self, title: str) -> Json:
        """Return the key of a content."""
        return {"id": content_id(self.contents[title])}

    def where(self, name: str) -> str:
        """Return the ID of a place."""
        return place_id(self.places[name])

    async def change(self, name: str, /, **changes: Any) -> None:
        """Change somebody."""
        await self.do("updateLearner", learner=self.who(name), changes=changes)

    async def assign(self, name: str, title: str, due: str, by: str = "admin", **terms: Any) -> str:
        """Give somebody a task and return its ID."""
        payload = await self.do(
            "assignMandatoryTask",
            "mandatoryTask { id }",
            by,
            learner=self.who(name),
            target=self.what(title),
            dueOn=due,
            **terms,
        )
        return str(payload["mandatoryTask"]["id"])

    async def report(self, name: str, title: str, **said: Any) -> None:
        """Report progress."""
        await self.do("recordCourseProgress", learner=self.who(name), course=self.what(title), **said)

    async def rule(self, name: str, *titles: str, condition: Json, **options: Any) -> str:
        """Create a rule and return its ID."""
        payload = await self.do(
            "createAutoAssignmentRule",
            "rule { id }",
            name=name,
            contents=[self.what(title) for title in titles],
            match="ALL",
            conditions=[condition],
            whenUnmet=options.pop("whenUnmet", "RELEASE"),
            **options,
        )
        return str(payload["rule"]["id"])

    async def run_jobs(self) -> int:
        """Do what waits in the background."""
        return await run_all_jobs(self.tenant, lambda: self.api.now)

    def let_jobs_begin_at(self, count: int) -> None:
        """Make jobs of what concerns so many people."""
        for module in DECIDING:
            self.monkeypatch.setattr(f"{module}.BACKGROUND_THRESHOLD", count)


Act = Callable[[Story], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens."""

    name: str
    act: Act
    covers: frozenset[str]
    moves: frozenset[str]
    resets: bool


@dataclass(slots=True)
class Plot:
    """Steps in the order in which they happen."""

    steps: list[Step] = field(default_factory=list)

    def step(self, *covers: str, moves: str, resets: bool = False) -> Callable[[Act], Act]:
        """Add a step; `moves` are letters of streams, `resets` tells that somebody's rights change."""

        def add(act: Act) -> Act:
            moved = frozenset(STREAMS[letter].stream for letter in moves)
            if "r" in moves:
                moved |= {RULE_LIST.stream}
            name = act.__name__.replace("_", " ")
            self.steps.append(Step(name, act, frozenset(covers), moved, resets))
            return act

        return add

    @property
    def covered(self) -> set[str]:
        """Everything that the steps are about."""
        return {one for step in self.steps for one in step.covers}


async def replay(story: Story, plot: Plot) -> None:
    """Let everything happen, and look after each step."""
    await story.gallery.catch_up()
    await story.gallery.compare("the beginning")
    story.gallery.forget()
    wrong: list[str] = []
    for step in plot.steps:
        story.sent.clear()
        await step.act(story)
        unsent = {name for name in step.covers if name[0].islower() and not name.endswith("sweep")} - story.sent
        assert not unsent, f"{step.name} does not do {unsent}"
        await story.gallery.catch_up()
        await story.gallery.compare(step.name)
        heard = story.gallery.forget()
        silent = {stream for stream in step.moves if not heard[stream]}
        was_reset = any("SCOPE_CHANGED" in kinds for kinds in heard.values())
        if silent:
            wrong.append(f"{step.name} has not moved {silent}")
        if was_reset != step.resets:
            wrong.append(f"{step.name} has changed somebody's rights: {was_reset}")
        if not (step.moves or step.resets) and any(heard.values()):
            wrong.append(f"{step.name} has moved {heard}")
    assert not wrong, "\n".join(wrong)
    await require_complete_feed(story.tenant.id)
    if not any(step.resets for step in plot.steps):
        await story.gallery.begin_again()
        await story.gallery.catch_up()
        await story.gallery.compare("all of it at once")


#: Tables whose objects streams show, and their kind in the feed.
FED = {
    "enrollment": ObjectType.ENROLLMENT,
    "mandatory_task": ObjectType.MANDATORY_TASK,
    "rule": ObjectType.RULE,
    "background_job": ObjectType.JOB,
    "notification": ObjectType.NOTIFICATION,
    "content_action": ObjectType.CONTENT_ACTION,
}


async def require_complete_feed(tenant_id: int) -> None:
    """Require that the feed knows the latest version of everything, and every entry of the log."""
    async with ReadScope(tenant_id) as reads:
        for table, object_type in FED.items():
            version = "1" if table == "content_action" else "o.version"
            # What the factories have made is in its first version and in no feed, but they make no log.
            first = "0" if table == "content_action" else "1"
            behind = await reads.fetch(
                f"SELECT o.id, {version} AS version, told.version AS told FROM {table} o LEFT JOIN LATERAL ("
                "  SELECT max(c.version) AS version FROM change c"
                "   WHERE c.tenant_id = $1 AND c.object_type = $2 AND c.object_id = o.id) told ON true"
                f" WHERE o.tenant_id = $1 AND coalesce(told.version, {first}) <> {version}",
                tenant_id,
                object_type.value,
            )
            assert not behind, f"{table}: the feed has not been told of {behind}"


async def make_company(story: Story) -> None:
    """Make people, places, contents, a few enrollments, two tasks and a rule."""
    tenant_id = story.tenant.id
    people, places, contents = story.people, story.places, story.contents
    people["admin"] = await factories.create_person(tenant_id, role=Role.ADMIN, name="Ada Admin", email="ada@acme.test")
    people["trainer"] = await factories.create_person(tenant_id, role=Role.TRAINER, name="Tina Trainer")
    trainer_id = people["trainer"].learner_id
    assert trainer_id is not None
    for name, kind, owner in (
        ("sales", PlaceKind.DEPARTMENT, None),
        ("plant", PlaceKind.DEPARTMENT, None),
        ("office", PlaceKind.DEPARTMENT, None),
        ("night", PlaceKind.LEARNING_GROUP, trainer_id),
        ("day", PlaceKind.LEARNING_GROUP, people["admin"].learner_id),
        ("client", PlaceKind.CLIENT, None),
    ):
        places[name] = await factories.create_place(tenant_id, kind=kind, name=name, external_id=name, owner_id=owner)
    for name, in_places in (("lea", ("sales", "night")), ("bob", ("office", "day")), ("cleo", ())):
        people[name] = await factories.create_person(
            tenant_id,
            name=f"{name.capitalize()} Learner",
            email=f"{name}@acme.test",
            external_id=name,
            places=[places[place] for place in in_places],
        )
    for title, columns in (
        ("fire", {"lesson_count": 2, "trainers": [trainer_id]}),
        ("first aid", {"lesson_count": 1, "minimum_score": 50}),
        ("yoga", {"is_self_enrollable": True, "seat_limit": 1, "has_waitlist": True, "access_days": 30}),
        ("tools", {"trainers": [trainer_id]}),
        ("ladder", {}),
    ):
        contents[title] = await factories.create_course(tenant_id, title=title, external_id=title, **columns)
    for title, courses in (("basics", ("first aid", "ladder")), ("tour", ("tools",))):
        contents[title] = await factories.create_path(
            tenant_id, title=title, external_id=title, courses=[contents[course] for course in courses]
        )
    for name, title in (("lea", "tools"), ("bob", "tools"), ("bob", "ladder")):
        person = people[name].learner_id
        assert person is not None
        await factories.create_enrollment(tenant_id, person, contents[title].id)
    reminders = [{"daysBeforeDue": days, "recipients": ["LEARNER", "ASSIGNER"]} for days in (3, -1)]
    story.ids["task of lea"] = await story.assign("lea", "fire", "2026-03-20", by="trainer", reminders=reminders)
    story.ids["task of cleo"] = await story.assign("cleo", "basics", "2026-04-10")
    story.ids["rule"] = await story.rule("Plant", "ladder", condition={"departmentIds": [story.where("plant")]})


def lists_of(story: Story, viewer: str, filtered: str) -> list[tuple[Kind, Json | None]]:
    """Return what somebody follows: everything, and of the kinds in `filtered` also parts by each filter."""
    lists: list[tuple[Kind, Json | None]] = [(TASKS, None), (ENROLLMENTS, None), (LOG, None), (NOTIFICATIONS, None)]
    if viewer == "learner":
        lists += [
            (BRIEF_TASKS, one) for one in ({"statuses": ["ASSIGNED"]}, {"dueUntil": "2026-03-31"}, {"search": "lea"})
        ]
        lists += [(BRIEF_ENROLLMENTS, one) for one in ({"isActive": True}, {"sources": ["MANDATORY_TASK"]})]
        # A rule is nothing that learners could find something by.
        return [*lists, (BRIEF_ENROLLMENTS, {"ruleId": story.ids["rule"]}), (BRIEF_LOG, {"actions": ["ENROLLED"]})]
    lists.append((JOBS, None))
    for letter, kind, filters in (
        ("t", BRIEF_TASKS, _task_filters),
        ("e", BRIEF_ENROLLMENTS, _enrollment_filters),
        ("l", BRIEF_LOG, _log_filters),
    ):
        if letter in filtered:
            lists += [(kind, filter) for filter in filters(story)]
    return lists if viewer == "trainer" else [*lists, (RULES, None), (RULE_LIST, None)]


def _task_filters(story: Story) -> Iterable[Json]:
    return (
        {"statuses": ["OVERDUE"]},
        {"statuses": ["ASSIGNED", "IN_PROGRESS"], "includesSuspended": True},
        {"statuses": ["COMPLETED"]},
        {"learnerIds": [learner_id(story.people["lea"]), "ext:cleo"]},
        {"departmentIds": [story.where("sales"), story.where("office")]},
        {"hasDepartment": False},
        {"learningGroupIds": [story.where("night")]},
        {"targetIds": [content_id(story.contents["fire"])]},
        {"dueFrom": "2026-03-15", "dueUntil": "2026-04-01"},
        {"isAssignedByViewer": True},
        {"assignerIds": [learner_id(story.people["trainer"])]},
        {"search": "LEA"},
        {"search": "@acme.test"},
    )


def _enrollment_filters(story: Story) -> Iterable[Json]:
    return (
        {"learnerIds": [learner_id(story.people["lea"])]},
        {"contentIds": ["ext:tools", "ext:ladder", "ext:fire"]},
        {"statuses": ["NOT_STARTED"]},
        {"statuses": ["IN_PROGRESS", "COMPLETED"]},
        {"isActive": True},
        {"isActive": False},
        {"sources": ["AUTO_ENROLLMENT"]},
        {"sources": ["MANAGER", "LEARNER"], "isActive": True},
        {"ruleId": story.ids["rule"]},
        {"learningPathId": content_id(story.contents["basics"])},
    )


def _log_filters(story: Story) -> Iterable[Json]:
    return (
        {"learnerIds": [learner_id(story.people["lea"])]},
        {"contentIds": ["ext:tools", "ext:fire"]},
        {"actions": ["ENROLLED", "COMPLETED"]},
        {"sources": ["AUTO_ENROLLMENT", "MANDATORY_TASK"]},
        {"ruleId": story.ids["rule"]},
        {"actorIds": [learner_id(story.people["admin"])]},
        {"mandatoryTaskId": story.ids["task of lea"]},
        {"occurredFrom": "2026-03-01T00:00:00Z", "occurredBefore": "2026-03-15T00:00:00Z"},
    )


async def begin(api: Api, live: LiveServer, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, *, filtered: str) -> Story:
    """Make the company and let a learner, a trainer and an administrator watch, some streams by every filter."""
    # Every look at the feed is told, with changes or without: so each stream says how far it is.
    monkeypatch.setattr("domain.foundation.feed.live.SILENCE", 0.0)
    monkeypatch.setattr("gql.auto_assignment.subscriptions.BREATH", 0.05)
    monkeypatch.setattr("domain.foundation.feed.changes.NUMBERS_PAUSE", 0.0)
    story = Story(api, tenant, Gallery(api, live, tenant.id), monkeypatch)
    await make_company(story)
    for viewer, name in (("learner", "lea"), ("trainer", "trainer"), ("admin", "admin")):
        await story.gallery.open(viewer, story.people[name], lists_of(story, viewer, filtered))
    return story
