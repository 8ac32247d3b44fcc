"""Who wants emails of which category. Notifications in the platform cannot be switched off."""

from dataclasses import dataclass

from domain.foundation.access import Principal
from domain.foundation.audit.recording import FieldChange, audit
from domain.foundation.database.sessions import Statements
from domain.foundation.errors import Forbidden
from domain.foundation.feed.changes import ObjectType
from domain.foundation.unit_of_work import UnitOfWork
from domain.notifications.models import NotificationCategory
from domain.people.queries import lock_learners


@dataclass(frozen=True, slots=True)
class Preference:
    """Whether somebody wants emails of a category."""

    category: NotificationCategory
    is_email_enabled: bool


async def list_preferences(reads: Statements, principal: Principal) -> list[Preference]:
    """Return the viewer's preferences, one per category; empty for service accounts."""
    if principal.learner_id is None:
        return []
    return await preferences_of(reads, principal.tenant_id, principal.learner_id)


async def preferences_of(reads: Statements, tenant_id: int, learner_id: int) -> list[Preference]:
    """Return a person's preferences, one per category; whether the viewer may see them has to be judged before."""
    records = await reads.fetch(
        "SELECT category, is_email_enabled FROM notification_preference WHERE tenant_id = $1 AND learner_id = $2",
        tenant_id,
        learner_id,
    )
    chosen = {record["category"]: record["is_email_enabled"] for record in records}
    return [Preference(category, chosen.get(category.value, True)) for category in NotificationCategory]


async def set_preference(
    work: UnitOfWork, *, category: NotificationCategory, is_email_enabled: bool
) -> NotificationCategory:
    """Turn emails of a category on or off for the caller and return the category. Needs a person."""
    learner_id = work.principal.learner_id
    if learner_id is None:
        raise Forbidden
    [person] = await lock_learners(work, [learner_id])
    if not person.is_active:
        # Deactivated or erased since they signed in.
        raise Forbidden
    # Emails on their way are judged when they are sent, so they need not be touched here.
    changed = await work.sql.execute(
        """
        INSERT INTO notification_preference AS p (tenant_id, learner_id, category, is_email_enabled)
        SELECT $1, $2, $3::text, $4 WHERE NOT $4 OR EXISTS (
          SELECT 1 FROM notification_preference WHERE tenant_id = $1 AND learner_id = $2 AND category = $3::text)
        ON CONFLICT (learner_id, category) DO UPDATE SET is_email_enabled = EXCLUDED.is_email_enabled
         WHERE p.is_email_enabled <> EXCLUDED.is_email_enabled
        """,
        work.tenant_id,
        learner_id,
        category.value,
        is_email_enabled,
    )
    if changed:
        change = FieldChange(f"isEmailEnabled.{category.value}", not is_email_enabled, is_email_enabled)
        await audit(work, ObjectType.LEARNER, learner_id, person.name, [change])
    return category
