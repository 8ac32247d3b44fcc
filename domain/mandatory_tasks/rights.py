"""Who sees, assigns and changes which tasks: admins and tools with the scope all; trainers assign what they train."""

from domain.content.queries import assignability, trained_by
from domain.foundation.access import Principal, Scope
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Forbidden, NotPermitted


def require_assigning_role(principal: Principal) -> None:
    """Raise Forbidden for who never assigns anything: learners, and tools without the scope."""
    if not principal.may_write(Scope.WRITE_MANDATORY_TASKS) and not principal.is_trainer:
        raise Forbidden


def require_reading_role(principal: Principal) -> None:
    """Raise Forbidden for who never looks tasks up: tools without READ."""
    if not principal.is_person:
        principal.require_reading_all()


async def require_assignable(sql: Statements, principal: Principal, target_id: int) -> None:
    """Raise NotPermitted for trainers who do not train the target."""
    if not await sql.value(
        f"SELECT EXISTS (SELECT 1 FROM content c WHERE c.tenant_id = $1 AND c.id = $2 AND {assignability(principal)})",
        principal.tenant_id,
        target_id,
    ):
        raise NotPermitted("Only trainers of the content assign it.", path=["target"])


def visibility(principal: Principal, task: str = "t") -> str:
    """Return the SQL condition for what the viewer sees of rows of `mandatory_task`, named `task`.

    Learners see their own tasks, trainers also what they have assigned and what they train.
    """
    if principal.sees_all:
        return "true"
    if principal.learner_id is None:
        return "false"
    own = f"{task}.learner_id = {principal.learner_id:d}"
    if not principal.is_trainer:
        return own
    # As an array, which PostgreSQL looks up in an index; a subquery it would ask row by row.
    trained = f"ARRAY (SELECT c.id FROM content c WHERE {trained_by(principal)})"
    return f"({own} OR {task}.assigner_learner_id = {principal.learner_id:d} OR {task}.target_id = ANY ({trained}))"


def changeability(principal: Principal, task: str = "t") -> str:
    """Return the SQL condition for the rows of `mandatory_task` that the account may change."""
    if principal.may_write(Scope.WRITE_MANDATORY_TASKS):
        return "true"
    if not principal.is_trainer:
        return "false"
    return f"coalesce({task}.assigner_learner_id = {principal.learner_id or 0:d}, false)"


async def trained_targets(sql: Statements, principal: Principal) -> list[int]:
    """Return the contents that the viewer trains."""
    targets: list[int] = await sql.values(
        f"SELECT c.id FROM content c WHERE c.tenant_id = $1 AND {trained_by(principal)}", principal.tenant_id
    )
    return targets


def bulk_visibility(principal: Principal, bulk_assignment: str = "b") -> str:
    """Return the SQL condition for the rows of `bulk_assignment`, named so, that the viewer may look up.

    Trainers see those that they have started.
    """
    if principal.sees_all:
        return "true"
    if not principal.is_trainer:
        return "false"
    return f"coalesce({bulk_assignment}.created_by_learner_id = {principal.learner_id or 0:d}, false)"
