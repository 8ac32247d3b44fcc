"""Who is meant by an audience: people and places in any mix, everybody once."""

import pytest

from domain.foundation.access import Principal, Role
from domain.foundation.database.sessions import writing
from domain.foundation.errors import DomainError, Invalid, Problems, TooManyItems
from domain.foundation.keys import ExternalId
from domain.mandatory_tasks.bulk.audience import MOST_PARTS, Audience, AudiencePart, resolve_audience
from domain.people.models import PlaceKind
from domain.people.queries import LearnerKey
from domain.tenants.models import Tenant
from tests.support import factories


async def people(principal: Principal, *parts: AudiencePart) -> dict[int, bool]:
    """Return who is in an audience, and whether each is named by themselves."""
    async with writing(principal.tenant_id) as sql:
        audience = await resolve_audience(sql, principal, parts)
        records = await sql.fetch(Audience.PEOPLE, *audience.args(principal.tenant_id))
    found = {record["learner_id"]: record["is_named"] for record in records}
    assert len(found) == len(records), "somebody comes twice"
    return found


async def refused(principal: Principal, *parts: AudiencePart) -> list[tuple[str, str]]:
    """Return code and path of everything that is wrong with an audience."""
    with pytest.raises(DomainError) as caught:
        await people(principal, *parts)
    error = caught.value
    errors = error.errors if isinstance(error, Problems) else [error]
    return [(one.code, ".".join(one.path)) for one in errors]


def person(principal: Principal) -> AudiencePart:
    """Name somebody."""
    return AudiencePart(learner=LearnerKey(id=principal.learner_id))


async def test_everybody_counts_once(tenant: Tenant, admin: Principal) -> None:
    """However many parts they are in, and whoever is named by themselves is so also as a member."""
    sales = await factories.create_place(tenant.id)
    group = await factories.create_place(tenant.id, kind=PlaceKind.LEARNING_GROUP)
    both = await factories.create_learner(tenant.id, places=[sales, group])
    member = await factories.create_learner(tenant.id, places=[sales])
    named = await factories.create_person(tenant.id, places=[group])
    await factories.create_learner(tenant.id)
    parts = [
        AudiencePart(department=sales.id),
        AudiencePart(learning_group=group.id),
        AudiencePart(department=sales.id),
        person(named),
        person(named),
    ]
    assert await people(admin, *parts) == {both.id: False, member.id: False, named.learner_id: True}


async def test_inactive_members_are_not_meant_but_inactive_people_are(tenant: Tenant, admin: Principal) -> None:
    """A place means its active members; a name means that person."""
    sales = await factories.create_place(tenant.id)
    gone = await factories.create_person(tenant.id, places=[sales], is_active=False)
    assert await people(admin, AudiencePart(department=sales.id)) == {}
    assert await people(admin, AudiencePart(department=sales.id), person(gone)) == {gone.learner_id: True}


async def test_only_departments_and_groups_are_places_of_an_audience(tenant: Tenant, admin: Principal) -> None:
    """Each by its own field: a group is no department, and a client is neither."""
    group = await factories.create_place(tenant.id, kind=PlaceKind.LEARNING_GROUP)
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT)
    assert await refused(
        admin, AudiencePart(department=group.id), AudiencePart(learning_group=client.id), AudiencePart(department=0)
    ) == [
        ("NOT_FOUND", "audience.0.departmentId"),
        ("NOT_FOUND", "audience.2.departmentId"),
        ("NOT_FOUND", "audience.1.learningGroupId"),
    ]


async def test_all_that_is_not_there_is_told_at_once(
    tenant: Tenant, admin: Principal, another_admin: Principal
) -> None:
    """With the place of each in the list; another tenant's people are not there."""
    known = person(admin)
    assert await refused(
        admin, known, AudiencePart(learner=LearnerKey(email="x@y.z")), known, person(another_admin)
    ) == [
        ("NOT_FOUND", "audience.1.learner"),
        ("NOT_FOUND", "audience.3.learner"),
    ]


async def test_partners_name_with_their_own_ids(tenant: Tenant) -> None:
    """People and places, without READ too."""
    tool = await factories.create_service_account(tenant.id, scopes=[])
    sales = await factories.create_place(tenant.id, external_id="4711")
    group = await factories.create_place(tenant.id, kind=PlaceKind.LEARNING_GROUP, external_id="4711")
    seller = await factories.create_learner(tenant.id, places=[sales])
    student = await factories.create_learner(tenant.id, places=[group])
    named = await factories.create_learner(tenant.id, external_id="A-1", email="A1@acme.test")
    parts = [AudiencePart(department=ExternalId("4711")), AudiencePart(learning_group=ExternalId("4711"))]
    assert await people(tool, *parts) == {seller.id: False, student.id: False}
    for key in (LearnerKey(external_id="A-1"), LearnerKey(email="a1@ACME.test")):
        assert await people(tool, AudiencePart(learner=key)) == {named.id: True}


async def test_trainers_have_their_own_groups_only(tenant: Tenant, trainer: Principal, admin: Principal) -> None:
    """Others' groups do not exist for them; departments are everybody's."""
    other = await factories.create_person(tenant.id, role=Role.TRAINER)
    own = await factories.create_place(tenant.id, kind=PlaceKind.LEARNING_GROUP, owner_id=trainer.learner_id)
    theirs = await factories.create_place(tenant.id, kind=PlaceKind.LEARNING_GROUP, owner_id=other.learner_id)
    sales = await factories.create_place(tenant.id)
    member = await factories.create_learner(tenant.id, places=[own, theirs, sales])
    for part in (AudiencePart(learning_group=own.id), AudiencePart(department=sales.id)):
        assert await people(trainer, part) == {member.id: False}
    foreign = AudiencePart(learning_group=theirs.id)
    assert await refused(trainer, foreign) == [("NOT_FOUND", "audience.0.learningGroupId")]
    assert await people(admin, foreign) == {member.id: False}


async def test_an_audience_has_from_1_to_1_000_parts(tenant: Tenant, admin: Principal) -> None:
    """Counted before anything is looked up."""
    with pytest.raises(Invalid) as none:
        await people(admin)
    assert none.value.path == ["audience"]
    assert len(await people(admin, *[person(admin)] * MOST_PARTS)) == 1
    with pytest.raises(TooManyItems) as many:
        await people(admin, *[AudiencePart(department=0)] * (MOST_PARTS + 1))
    assert (many.value.limit, many.value.path) == (1_000, ["audience"])
