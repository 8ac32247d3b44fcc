"""Creating and changing many people by the partner's IDs, row by row, in a fixed number of statements."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.foundation.access import Scope
from domain.foundation.addresses import email_key
from domain.foundation.errors import DomainError, Invalid, TooManyItems
from domain.foundation.row_outcomes import RowError, RowOutcome
from domain.foundation.text_validation import NAME_LENGTH
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.errors import LastAdmin
from domain.people.learners.admins import AdminWatch
from domain.people.learners.changes import LearnerChanges, Unset
from domain.people.learners.lookups import lock_surroundings
from domain.people.learners.recording import LearnerWrite
from domain.people.learners.state import LearnerState, lock_states
from domain.people.learners.validation import Surroundings, judge
from domain.people.learners.writing import write_learners

MOST_ROWS = 1_000
#: How often rows are judged at most; the last time, addresses are free only once they have been given up.
MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class LearnerRowResult:
    """Outcome of one row; `learner_id` is None when it failed."""

    external_id: str
    outcome: RowOutcome
    learner_id: int | None
    errors: list[RowError]


async def bulk_upsert_learners(work: UnitOfWork, *, rows: Sequence[LearnerChanges]) -> list[LearnerRowResult]:
    """Create or change up to 1,000 people, each named by `external_id`, and return what became of each row."""
    if not rows:
        raise Invalid("At least one row.", path=["rows"])
    if len(rows) > MOST_ROWS:
        raise TooManyItems(limit=MOST_ROWS, path=["rows"])
    return await upsert_learners(work, rows=rows)


async def upsert_learners(
    work: UnitOfWork,
    *,
    rows: Sequence[LearnerChanges],
    names_from_external_ids: bool = False,
    may_swap_emails: bool = False,
) -> list[LearnerRowResult]:
    """Create or change any number of people and return what became of each row.

    Rows are judged in order, each on what the rows before it leave. With `may_swap_emails` an address is also free that
    a later row takes from somebody, provided that this row is not refused itself. An unknown external ID whose email
    belongs to somebody without one takes that person over. With `names_from_external_ids` a new person needs no name.
    """
    work.principal.require_write(Scope.WRITE_LEARNERS)
    surroundings = await lock_surroundings(work, rows)
    targets = {*surroundings.external_id_owners.values(), *surroundings.email_owners.values()}
    present = await lock_states(work, targets)
    given_up = _given_up(rows, present) if may_swap_emails else frozenset()
    for attempt in range(MAX_ATTEMPTS):
        upsert = _Upsert(work, surroundings, present, names_from_external_ids, given_up)
        judged = [await upsert.judge(index, row) for index, row in enumerate(rows)]
        kept = {external_id for external_id in given_up if external_id in upsert.refused}
        if not kept:
            break
        # Who was to give up an address keeps it, as their row was refused: whoever has taken it is judged again.
        given_up = given_up - kept if attempt < MAX_ATTEMPTS - 2 else frozenset()
    ids = iter(await write_learners(work, upsert.writes))
    return [
        LearnerRowResult(result.external_id, result.outcome, next(ids), []) if not result.errors else result
        for result in judged
    ]


class _Upsert:
    """State of one call: what the rows so far have made of the people."""

    def __init__(
        self,
        work: UnitOfWork,
        surroundings: Surroundings,
        present: dict[int, LearnerState],
        names_from_external_ids: bool,
        given_up: Collection[str],
    ) -> None:
        self._principal = work.principal
        self._present = dict(present)
        self._names_from_external_ids = names_from_external_ids
        self._admins = AdminWatch(work)
        self._seen: set[str] = set()
        self.writes: list[LearnerWrite] = []
        #: External IDs of rows that were refused.
        self.refused: set[str] = set()
        # Who had a key when it was looked up may have lost it before being locked.
        keepers = {key: one for key, one in present.items() if one.external_id not in given_up}
        self._surroundings = replace(
            surroundings,
            email_owners=_owners(keepers, lambda one: email_key(one.email) if one.email else None),
            external_id_owners=_owners(present, lambda one: one.external_id),
        )

    async def judge(self, index: int, row: LearnerChanges) -> LearnerRowResult:
        """Return what becomes of a row, and note what is to be written for it."""
        result = await self._judge(index, row)
        if result.errors:
            self.refused.add(result.external_id)
        return result

    async def _judge(self, index: int, row: LearnerChanges) -> LearnerRowResult:
        external_id = row.external_id if isinstance(row.external_id, str) else ""
        if external_id in self._seen:
            return _failed(external_id, [Invalid("An earlier row has the same external ID.", path=["externalId"])])
        self._seen.add(external_id)
        before = self._find(external_id, row)
        errors: list[DomainError] = []
        if before is None and isinstance(row.name, Unset):
            if self._names_from_external_ids:
                row = replace(row, name=external_id[:NAME_LENGTH])
            else:
                errors.append(Invalid("Needed to create a learner.", path=["name"]))
        # Until they are written, new people have numbers that nobody else has.
        present = before or LearnerState(id=-1 - index)
        judged = judge(self._principal, present, row, self._surroundings)
        if isinstance(judged, LearnerState):
            if not errors and not await self._admins.allows(present, judged):
                errors.append(LastAdmin(path=["isActive" if row.is_active is False else "role"]))
        else:
            errors.extend(judged)
        if errors or not isinstance(judged, LearnerState):
            return _failed(external_id, errors)
        self._surroundings.accept(present, judged)
        if before is not None:
            self._present[before.id] = judged
        write = LearnerWrite(before, judged)
        self.writes.append(write)
        outcome = RowOutcome.UPDATED if write.is_change else RowOutcome.UNCHANGED
        return LearnerRowResult(external_id, RowOutcome.CREATED if before is None else outcome, None, [])

    def _find(self, external_id: str, row: LearnerChanges) -> LearnerState | None:
        """Return whom a row is about; None for somebody new."""
        owner = self._surroundings.external_id_owners.get(external_id)
        if owner is not None:
            return self._present.get(owner)
        if isinstance(row.email, Unset):
            return None
        owner = self._surroundings.email_owners.get(email_key(row.email))
        known = self._present.get(owner) if owner is not None else None
        return known if known and known.external_id is None else None


def _given_up(rows: Sequence[LearnerChanges], present: Mapping[int, LearnerState]) -> frozenset[str]:
    """Return the external IDs of the people whose rows give them another email address."""
    emails = {one.external_id: one.email for one in present.values() if one.external_id is not None and one.email}
    return frozenset(
        row.external_id
        for row in rows
        if isinstance(row.external_id, str)
        and row.external_id in emails
        and not isinstance(row.email, Unset)
        and email_key(row.email) != email_key(emails[row.external_id])
    )


def _failed(external_id: str, errors: Sequence[DomainError]) -> LearnerRowResult:
    return LearnerRowResult(external_id, RowOutcome.FAILED, None, [RowError.of(error) for error in errors])


def _owners(present: Mapping[int, LearnerState], key: Callable[[LearnerState], str | None]) -> dict[str, int]:
    return {value: state.id for state in present.values() if (value := key(state)) is not None}
