"""Who sees which content: admins, READ and trainers all of it, people the catalogue."""

from domain.foundation.access import Principal, Scope


def visibility(principal: Principal) -> str:
    """Return the SQL condition on `content c` for what the viewer may look up."""
    if principal.sees_all or principal.is_trainer:
        return "true"
    if principal.learner_id is None:
        return "false"
    # The catalogue: what is open to self-enrollment, and what the viewer is or was enrolled in.
    return (
        "(c.is_self_enrollable OR EXISTS (SELECT 1 FROM enrollment own"
        f" WHERE own.learner_id = {principal.learner_id:d} AND own.content_id = c.id))"
    )


def assignability(principal: Principal) -> str:
    """Return the SQL condition on `content c` for what the viewer may assign as a mandatory task."""
    if principal.may_write(Scope.WRITE_MANDATORY_TASKS):
        return "true"
    return trained_by(principal)


def trained_by(principal: Principal) -> str:
    """Return the SQL condition on `content c` for what the viewer trains; being named counts for trainers only."""
    if not principal.is_trainer or principal.learner_id is None:
        return "false"
    return (
        "EXISTS (SELECT 1 FROM content_trainer trained"
        f" WHERE trained.content_id = c.id AND trained.learner_id = {principal.learner_id:d})"
    )
