"""The status fact: the one thing about an enrollment that rules see. Rules themselves never write it (spec 3.5)."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.foundation.unit_of_work import UnitOfWork
from domain.people.events import Fact, FactKind, FactsChanged


@dataclass(frozen=True, slots=True)
class StatusFactChange:
    """The status fact of one enrollment before and after; None where there is none."""

    learner_id: int
    content_id: int
    before: str | None
    after: str | None


def record_status_facts(work: UnitOfWork, changes: Iterable[StatusFactChange]) -> None:
    """Record one FactsChanged per learner for the facts that came and went; what stays the same is left out.

    Changes of one enrollment may come several times, in order: states that nobody has seen between them count too,
    as rules then look at the facts as they are and merely look once more than needed.
    """
    facts: dict[int, dict[Fact, None]] = {}
    for change in changes:
        if change.before == change.after:
            continue
        of_learner = facts.setdefault(change.learner_id, {})
        for status in (change.before, change.after):
            if status is not None:
                of_learner[Fact(FactKind.STATUS, change.content_id, str(status))] = None
    for learner_id, of_learner in facts.items():
        work.record(FactsChanged(learner_id=learner_id, facts=tuple(of_learner)))
