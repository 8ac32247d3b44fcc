"""Who may do what with email templates: trainers see all and change their own, admins and tools with the scope all."""

from domain.foundation.access import Principal, Scope
from domain.foundation.errors import Forbidden


def sees_templates(principal: Principal) -> bool:
    """Tell whether the account may look at the tenant's templates."""
    return principal.sees_all or principal.is_trainer


def require_seeing_templates(principal: Principal) -> None:
    """Raise Forbidden unless the account may look at the tenant's templates."""
    if not sees_templates(principal):
        raise Forbidden


def require_writing_templates(principal: Principal) -> None:
    """Raise Forbidden unless the account writes templates, all of them or its own."""
    if not (principal.is_trainer or principal.may_write(Scope.WRITE_MANDATORY_TASKS)):
        raise Forbidden


def may_change(principal: Principal, author_id: int | None) -> bool:
    """Tell whether the account may change a template, given the person who wrote it, if one did."""
    if principal.may_write(Scope.WRITE_MANDATORY_TASKS):
        return True
    return principal.is_trainer and author_id is not None and author_id == principal.learner_id
