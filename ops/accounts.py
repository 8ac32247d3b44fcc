"""The operator's commands about tenants and the people who sign in to them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import ReadScope
from domain.foundation.settings import Settings
from domain.foundation.unit_of_work import UnitOfWork, perform
from domain.people.learners.changes import UNSET, LearnerChanges
from domain.people.operations import create_learner, update_learner
from domain.people.queries import LearnerKey, find_learner_by_key
from domain.tenants.operations import create_tenant, set_rule_limit
from gql.identity.authentication import issue_token
from ops.connecting import get_tenant_id
from ops.failures import CommandFailed


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a token is for."""

    tenant: str
    email: str
    role: Role | None


async def change_rule_limit(slug: str, rule_limit: int, now: datetime) -> None:
    """Set how many rules a tenant may have."""
    principal = Principal.operator(await get_tenant_id(slug))
    await perform(principal, now, "tenantSet", lambda work: set_rule_limit(work, rule_limit=rule_limit))


async def make_tenant(*, slug: str, name: str, time_zone: str, admin_email: str | None, now: datetime) -> int:
    """Create a tenant, with its first administrator if an address is given, and return its ID."""

    async def make_admin(work: UnitOfWork) -> None:
        if admin_email is not None:
            learner = LearnerChanges(email=admin_email, name=_name_from(admin_email), role=Role.ADMIN)
            await create_learner(work, learner=learner)

    return await create_tenant(now=now, slug=slug, name=name, time_zone=time_zone, and_then=make_admin)


async def make_token(settings: Settings, person: Person, now: datetime, lifetime: timedelta) -> str:
    """Return a token of a person, who is created, or given the role, where needed."""
    settings.require_proper_secret()
    tenant_id = await get_tenant_id(person.tenant)
    learner_id = await _bring_about(tenant_id, person, now)
    return issue_token(settings, tenant=person.tenant, now=now, lifetime=lifetime, learner_id=learner_id)


async def _bring_about(tenant_id: int, person: Person, now: datetime) -> int:
    principal = Principal.operator(tenant_id)
    key = LearnerKey(email=person.email)
    async with ReadScope(tenant_id) as reads:
        known = await find_learner_by_key(reads, principal, key)
    role = person.role or UNSET
    if known is None:
        learner = LearnerChanges(email=person.email, name=_name_from(person.email), role=role)

        async def create(work: UnitOfWork) -> int:
            return await create_learner(work, learner=learner)

        return (await perform(principal, now, "token", create)).result
    if not known.is_active:
        raise CommandFailed(f"{person.email} is inactive and cannot sign in.")

    async def update(work: UnitOfWork) -> int:
        return await update_learner(work, key=key, changes=LearnerChanges(role=role))

    return (await perform(principal, now, "token", update)).result


def _name_from(email: str) -> str:
    """`lea.learner@acme.example` is Lea Learner until somebody says otherwise."""
    words = email.partition("@")[0].replace(".", " ").replace("_", " ").split()
    return " ".join(word[:1].upper() + word[1:] for word in words) or email
