"""Leavers: people of earlier imports whom a complete file no longer has, and who lose their access."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from domain.foundation import clock
from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import ReadScope
from domain.foundation.unit_of_work import UnitOfWork, perform, with_retry
from domain.people.learners.leavers import MissingLearner, count_active_learners, find_missing_learners
from domain.people.operations import deactivate_learners
from ops.failures import CommandFailed

#: As many may be deactivated without being counted beforehand.
MAX_PEOPLE = 100
MAX_PERCENT = 5
CHUNK = 1_000
#: Characters of a name or an ID that are shown.
MAX_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Leavers:
    """Whom the file lacks: those to be deactivated, and those who stay because they are more than learners."""

    leaving: list[MissingLearner]
    staying: list[MissingLearner]


async def find_leavers(
    principal: Principal, *, operation: str, external_ids: Collection[str], confirmed: int | None
) -> Leavers:
    """Return whom a complete file lacks.

    Raises CommandFailed where these are more than 100 people and 5 % of the active ones, unless `confirmed` is their
    number: a file that is cut off, or of another department, looks like everybody having left.
    """
    if not external_ids:
        raise CommandFailed("--deactivate-missing: the file names nobody, so everybody would be missing.")
    async with ReadScope(principal.tenant_id) as reads:
        missing = await find_missing_learners(reads, principal, operation=operation, external_ids=external_ids)
        active = await count_active_learners(reads, principal)
    leaving = [one for one in missing if one.role == Role.LEARNER]
    count = len(leaving)
    if count > MAX_PEOPLE and count * 100 > active * MAX_PERCENT and confirmed != count:
        raise CommandFailed(
            f"--deactivate-missing: {count:,} of {active:,} active people are missing in the file, so nothing was"
            f" imported. --yes={count} says that all of them have left."
        )
    return Leavers(leaving, [one for one in missing if one.role != Role.LEARNER])


async def deactivate(principal: Principal, leaving: Sequence[MissingLearner], operation: str) -> set[int]:
    """Deactivate people, with all that rules and tasks make of it, and return the IDs of those who were active."""
    gone: set[int] = set()
    for first in range(0, len(leaving), CHUNK):
        gone.update(await _deactivate_chunk(principal, leaving[first : first + CHUNK], operation))
    return gone


async def _deactivate_chunk(principal: Principal, leaving: Sequence[MissingLearner], operation: str) -> list[int]:
    async def action(work: UnitOfWork) -> list[int]:
        work.evaluates_at_once = True
        await work.sql.plan_each_time()
        return await deactivate_learners(work, ids=[one.id for one in leaving])

    return (await with_retry(lambda: perform(principal, clock.now(), operation, action))).result


def named(one: MissingLearner) -> str:
    """Return what to call somebody: the external ID, and the name."""
    return f"{printable(one.external_id or '')} ({printable(one.name)})"


def printable(text: str) -> str:
    """Return a text of a file on one line, and not longer than a line."""
    shown = "".join(character if character.isprintable() else " " for character in text).strip()
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}…"
