"""One change of one learner that makes two rules act, beside 50 to 50,000 rules that do not care.

Tenants with different numbers of rules take turns, and so does the floor, so that whatever else the machine does
meanwhile hits all of them alike. No HTTP: the domain's operation, with everything that follows from it.
"""

import gc
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

from bench.database import Addresses, Connection, settle
from bench.floors import PlainChange, prepare_changes, write_change
from bench.report import Figure, Spread
from bench.rules import give_rules
from bench.size import Size
from bench.world import Company, found_company, watched_value
from domain.auto_assignment.evaluation.evaluating import reevaluate_rules
from domain.foundation import clock
from domain.foundation.unit_of_work import UnitOfWork, install, perform
from domain.people.events import FactsChanged
from domain.people.learners.changes import LearnerChanges, RefChange
from domain.people.operations import update_learner
from domain.people.queries import LearnerKey
from domain.reactions import REACTIONS

NAME = "evaluation"
EFFECTS = 2
MOST_GROWTH = 1.5
#: Statements are planned anew a few times before PostgreSQL keeps a plan, on each connection.
WARM_UP = 30


@dataclass(slots=True)
class _Timings:
    """Seconds that each change took, whole and in the evaluation of rules, and that its floor took."""

    whole: list[float] = field(default_factory=list)
    evaluation: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)

    def clear(self) -> None:
        """Forget what the warm-up took."""
        for seconds in (self.whole, self.evaluation, self.floor):
            seconds.clear()


@dataclass(frozen=True, slots=True)
class _Subject:
    rule_count: int
    company: Company
    changes: list[tuple[int, str]]
    plain: list[PlainChange]
    timings: _Timings


class _Stopwatch:
    """Measures the reaction that evaluates rules."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def evaluate(self, work: UnitOfWork, events: Sequence[FactsChanged]) -> None:
        begin = perf_counter()
        await reevaluate_rules(work, events)
        self.seconds = perf_counter() - begin


async def measure(owner: Connection, addresses: Addresses, size: Size) -> list[Figure]:
    """Measure changes at each number of rules."""
    subjects = [await _prepare(owner, size, count) for count in size.rule_counts]
    await settle(owner)
    stopwatch = _Stopwatch()
    install({**REACTIONS, FactsChanged: [stopwatch.evaluate]})
    try:
        for number in range(WARM_UP + size.changes):
            if number == WARM_UP:
                for subject in subjects:
                    subject.timings.clear()
                gc.collect()
            for subject in subjects:
                await _change(subject, number, stopwatch)
    finally:
        install(REACTIONS)
    return _figures(subjects)


async def _prepare(owner: Connection, size: Size, rule_count: int) -> _Subject:
    now = clock.now()
    company = await found_company(owner, f"rules-{rule_count}", size.learners_per_tenant, now)
    await give_rules(owner, company, rule_count, now)
    total = WARM_UP + size.changes
    # Everybody is changed once only, the administrator never; first those of the domain, then those of the floor.
    learner_ids = range(company.first_learner + 1, company.first_learner + 1 + 2 * total)
    changes = [(learner_id, watched_value(learner_id + 1)) for learner_id in learner_ids]
    plain = await prepare_changes(owner, company, changes[total:])
    return _Subject(rule_count, company, changes[:total], plain, _Timings())


async def _change(subject: _Subject, number: int, stopwatch: _Stopwatch) -> None:
    learner_id, value = subject.changes[number]
    changes = LearnerChanges(ref_values=[RefChange(1, value)])

    async def act(work: UnitOfWork) -> int:
        return await update_learner(work, key=LearnerKey(id=learner_id), changes=changes)

    begin = perf_counter()
    done = await perform(subject.company.admin, clock.now(), "updateLearner", act)
    subject.timings.whole.append(perf_counter() - begin)
    subject.timings.evaluation.append(stopwatch.seconds)
    if done.rule_action_count != EFFECTS:
        raise AssertionError(f"{done.rule_action_count} effects instead of {EFFECTS}: nothing comparable was measured.")
    begin = perf_counter()
    await write_change(subject.company, subject.plain[number], clock.now())
    subject.timings.floor.append(perf_counter() - begin)


def _figures(subjects: Sequence[_Subject]) -> list[Figure]:
    figures = []
    fewest = Spread.of(subjects[0].timings.whole).median, Spread.of(subjects[0].timings.evaluation).median
    for subject in subjects:
        whole, evaluation = Spread.of(subject.timings.whole), Spread.of(subject.timings.evaluation)
        floor = Spread.of(subject.timings.floor).median
        case = f"{subject.rule_count:,} rules"
        figures.append(
            Figure(
                NAME,
                f"{case}: whole change",
                whole.median,
                "ms",
                floor,
                whole.median / floor,
                details=whole.as_details(),
            )
        )
        figures.append(
            Figure(NAME, f"{case}: evaluation alone", evaluation.median, "ms", details=evaluation.as_details())
        )
        if subject is subjects[0]:
            continue
        for name, spread, first in (("whole change", whole, fewest[0]), ("evaluation alone", evaluation, fewest[1])):
            growth = spread.median / first
            has_goal = subject.rule_count <= 5_000
            figures.append(
                Figure(
                    NAME,
                    f"{case}: growth of {name}",
                    spread.median,
                    "ms",
                    first,
                    growth,
                    compared_with=f"{subjects[0].rule_count} rules",
                    goal=f"at most {MOST_GROWTH}" if has_goal else None,
                    is_met=growth <= MOST_GROWTH if has_goal else None,
                )
            )
    return figures
