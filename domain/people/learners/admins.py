"""A tenant always keeps an active administrator, whoever changes whom at the same time."""

from domain.foundation.access import Role
from domain.foundation.unit_of_work import UnitOfWork
from domain.people.learners.state import LearnerState
from domain.people.locks import lock_last_admin


class AdminWatch:
    """Follows the administrators through the changes of one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self._come: set[int] = set()
        self._gone: set[int] = set()

    async def allows(self, before: LearnerState, after: LearnerState) -> bool:
        """Tell whether an active administrator is left after a change, and take note of one that is allowed.

        The person is locked already. Where an administrator goes, other transactions with the same intent wait.
        """
        if before.is_active_admin and not after.is_active_admin:
            if not await self._is_another_left(before.id):
                return False
            self._gone.add(before.id)
        elif after.is_active_admin:
            self._come.add(after.id)
        return True

    async def _is_another_left(self, learner_id: int) -> bool:
        if self._come - self._gone - {learner_id}:
            return True
        await lock_last_admin(self._work)
        # A statement of its own after the lock: it has to see who went while this transaction waited.
        return bool(
            await self._work.sql.value(
                "SELECT EXISTS (SELECT 1 FROM learner WHERE tenant_id = $1 AND role = $2 AND is_active"
                " AND id <> ALL ($3::bigint[]))",
                self._work.tenant_id,
                Role.ADMIN.value,
                [*self._gone, learner_id],
            )
        )
