"""Background jobs as streams show them: to admins and READ all, to others those that they have started."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import NotFound
from domain.foundation.feed.changes import Change, ObjectType
from domain.foundation.feed.live import Seen, View, rights_of
from domain.foundation.jobs.queries import JobRow, load_jobs_by_id, load_visible_jobs_by_id, require_jobs


@dataclass(frozen=True, slots=True)
class LiveJobs(View[JobRow, JobRow]):
    """The jobs that one viewer follows: one, or all that they may see."""

    object_type: ClassVar[ObjectType] = ObjectType.JOB

    principal: Principal
    job_id: int | None = None

    @property
    def key(self) -> Hashable:
        """Equal for views that show the same."""
        return "jobs", rights_of(self.principal), self.job_id

    async def load(self, reads: Statements, tenant_id: int, ids: Sequence[int]) -> Mapping[int, JobRow]:
        """Return the jobs as they are now."""
        rows = await load_jobs_by_id(reads, Principal.operator(tenant_id), ids)
        return {row.id: row for row in rows if row is not None}

    def see(self, change: Change, state: JobRow | None, now: datetime) -> Seen[JobRow] | None:
        """Return how the job looks, if the viewer may see it and asked for it."""
        if state is None or self.job_id not in (None, state.id) or not self._is_visible(state):
            return None
        return Seen(state.id, max(change.version, state.version), state)

    async def opening(self, reads: Statements) -> Sequence[Seen[JobRow]]:
        """Return the one job that is followed."""
        if self.job_id is None:
            return ()
        job = (await self.load(reads, self.principal.tenant_id, [self.job_id]))[self.job_id]
        return [Seen(job.id, job.version, job)]

    def _is_visible(self, job: JobRow) -> bool:
        viewer = self.principal
        if viewer.sees_all:
            return True
        if viewer.service_account_id is not None:
            return job.started_by_service_account_id == viewer.service_account_id
        return viewer.role is Role.TRAINER and job.started_by_learner_id == viewer.learner_id


async def live_jobs(reads: Statements, principal: Principal, job_id: int | None) -> LiveJobs:
    """Return the view of one job, or of all that the viewer may see. Raises Forbidden for learners, and NotFound."""
    require_jobs(principal)
    if job_id is not None and (await load_visible_jobs_by_id(reads, principal, [job_id]))[0] is None:
        raise NotFound(path=["id"])
    return LiveJobs(principal, job_id)
