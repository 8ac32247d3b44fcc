"""What changes of people tell the rules, the change feed and the audit log."""

import json
from typing import Any

from domain.foundation.access import Principal, Role
from domain.people.events import (
    Fact,
    FactKind,
    FactsChanged,
    LearnerBecameActive,
    LearnerBecameInactive,
    LearnerListedOtherwise,
    LearnerTimeZoneChanged,
)
from domain.people.learners.changes import LearnerChanges, RefChange
from domain.people.models import PlaceKind
from domain.people.operations import (
    add_members,
    create_learner,
    deactivate_learner,
    delete_place,
    reactivate_learner,
    remove_members,
    update_learner,
)
from domain.people.queries import LearnerKey
from domain.tenants.models import Tenant
from tests.domain.people.conftest import ChangeBy
from tests.support import factories
from tests.support.catalogue import Connection


async def audited(superuser: Connection, object_id: int) -> list[list[dict[str, Any]]]:
    """Return the changes of each audit entry of an object."""
    records = await superuser.fetch("SELECT changes FROM audit_entry WHERE object_id = $1 ORDER BY id", object_id)
    return [json.loads(record["changes"]) for record in records]


async def told(superuser: Connection) -> list[tuple[str, int, int]]:
    """Return what the change feed was told: type, object, version."""
    records = await superuser.fetch("SELECT object_type, object_id, version FROM change_pending ORDER BY id")
    return [tuple(record) for record in records]


async def test_a_new_active_person_makes_every_rule_new(change: ChangeBy) -> None:
    """Creating an active person tells that they became active, an inactive one tells nothing."""
    learner = LearnerChanges(name="Nina New", email="nina@acme.test", ref_values=[RefChange(1, "Nurse")])
    created = await change(lambda work: create_learner(work, learner=learner))
    assert created.events == [LearnerBecameActive(created.result)]
    absent = LearnerChanges(name="Ina Inactive", email="ina@acme.test", is_active=False)
    assert (await change(lambda work: create_learner(work, learner=absent))).events == []


async def test_changed_facts_are_told_with_what_came_and_what_went(change: ChangeBy, tenant: Tenant) -> None:
    """An update tells old and new reference values and placements, each once."""
    old = await factories.create_place(tenant.id)
    new = await factories.create_place(tenant.id)
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT)
    learner = await factories.create_learner(tenant.id, refs={1: "Nurse", 2: "Night", 3: "same"}, places=[old, client])
    changes = LearnerChanges(
        department=new.id,
        clients=[],
        ref_values=[RefChange(1, "Doctor"), RefChange(2, None), RefChange(3, "same"), RefChange(4, " x ")],
    )
    done = await change(lambda work: update_learner(work, key=LearnerKey(id=learner.id), changes=changes))
    [listed, event] = done.events
    assert listed == LearnerListedOtherwise(learner.id)
    assert isinstance(event, FactsChanged)
    assert event.learner_id == learner.id
    assert set(event.facts) == {
        Fact(FactKind.REF, 1, "Nurse"),
        Fact(FactKind.REF, 1, "Doctor"),
        Fact(FactKind.REF, 2, "Night"),
        Fact(FactKind.REF, 4, " x "),
        Fact(FactKind.DEPARTMENT, old.id),
        Fact(FactKind.DEPARTMENT, new.id),
        Fact(FactKind.CLIENT, client.id),
    }
    assert len(event.facts) == 7


async def test_what_was_so_already_is_no_change(change: ChangeBy, tenant: Tenant, superuser: Connection) -> None:
    """The same values again write nothing: no version, no audit entry, no change row, no event."""
    department = await factories.create_place(tenant.id)
    learner = await factories.create_learner(
        tenant.id, name="Sam Same", email="sam@acme.test", refs={1: "A"}, places=[department]
    )
    changes = LearnerChanges(
        name=" Sam Same ", email="sam@acme.test", department=department.id, clients=[], ref_values=[RefChange(1, "A")]
    )
    done = await change(lambda work: update_learner(work, key=LearnerKey(id=learner.id), changes=changes))
    assert done.events == []
    assert await superuser.fetchval("SELECT version FROM learner WHERE id = $1", learner.id) == 1
    assert await audited(superuser, learner.id) == []
    assert await told(superuser) == []


async def test_a_name_is_no_fact(change: ChangeBy, tenant: Tenant, superuser: Connection) -> None:
    """Changing what no rule tests tells the feed, the audit log and tasks, but not the rules."""
    learner = await factories.create_learner(tenant.id, name="Before", email="before@acme.test")
    changes = LearnerChanges(name="After", email="After@acme.test", time_zone="Asia/Tokyo")
    done = await change(lambda work: update_learner(work, key=LearnerKey(email="BEFORE@acme.test"), changes=changes))
    assert done.events == [LearnerListedOtherwise(learner.id), LearnerTimeZoneChanged(learner.id)]
    assert await told(superuser) == [("LEARNER", learner.id, 2)]
    [changed] = await audited(superuser, learner.id)
    assert changed == [
        {"field": "name", "before": "Before", "after": "After"},
        {"field": "email", "before": "before@acme.test", "after": "After@acme.test"},
        {"field": "timeZone", "before": None, "after": "Asia/Tokyo"},
    ]


async def test_the_audit_log_names_reference_fields_and_places(
    change: ChangeBy, tenant: Tenant, superuser: Connection
) -> None:
    """An entry has one field per reference field, and places by their names at the time."""
    department = await factories.create_place(tenant.id, name="Sales")
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT, name="Umbrella")
    learner = await factories.create_learner(tenant.id, refs={2: "gone"}, places=[department])
    changes = LearnerChanges(
        department=None, clients=[client.id], ref_values=[RefChange(2, None), RefChange(10, "come")]
    )
    await change(lambda work: update_learner(work, key=LearnerKey(id=learner.id), changes=changes))
    [changed] = await audited(superuser, learner.id)
    assert changed == [
        {"field": "department", "before": "Sales", "after": None},
        {"field": "clients", "before": None, "after": ["Umbrella"]},
        {"field": "refValues.2", "before": "gone", "after": None},
        {"field": "refValues.10", "before": None, "after": "come"},
    ]


async def test_activity_and_role_are_changes_of_the_account(
    change: ChangeBy, tenant: Tenant, superuser: Connection
) -> None:
    """Deactivating and reactivating is told to rules and streams; doing it again is no change."""
    learner = await factories.create_learner(tenant.id)
    key = LearnerKey(id=learner.id)
    listed = LearnerListedOtherwise(learner.id)
    gone = await change(lambda work: deactivate_learner(work, key=key))
    assert gone.events == [listed, LearnerBecameInactive(learner.id)]
    assert (await change(lambda work: deactivate_learner(work, key=key))).events == []
    back = await change(lambda work: reactivate_learner(work, key=key))
    assert back.events == [listed, LearnerBecameActive(learner.id)]
    await change(lambda work: update_learner(work, key=key, changes=LearnerChanges(role=Role.TRAINER)))
    assert await told(superuser) == [
        (kind, learner.id, version) for version in (2, 3, 4) for kind in ("LEARNER", "ACCOUNT")
    ]


async def test_memberships_are_facts_of_people(change: ChangeBy, tenant: Tenant, superuser: Connection) -> None:
    """Adding and removing members tells the facts of those for whom something changed, and raises their version."""
    group = await factories.create_place(tenant.id, kind=PlaceKind.SUBLICENSE)
    member = await factories.create_learner(tenant.id, places=[group])
    newcomer = await factories.create_learner(tenant.id, external_id="4711")
    keys = [LearnerKey(external_id="4711"), LearnerKey(id=member.id), LearnerKey(id=newcomer.id)]
    fact = Fact(FactKind.SUBLICENSE, group.id)
    added = await change(lambda work: add_members(work, kind=PlaceKind.SUBLICENSE, place=group.id, learners=keys))
    assert added.result == [newcomer.id, member.id, newcomer.id]
    assert added.events == [FactsChanged(newcomer.id, (fact,))]
    removed = await change(
        lambda work: remove_members(work, kind=PlaceKind.SUBLICENSE, place=group.id, learners=keys[:1])
    )
    assert removed.events == [FactsChanged(newcomer.id, (fact,))]
    assert await told(superuser) == [("LEARNER", newcomer.id, 2), ("LEARNER", newcomer.id, 3)]


async def test_deleting_a_place_changes_everybody_who_belonged_there(
    change: ChangeBy, tenant: Tenant, superuser: Connection
) -> None:
    """A client goes with its sublicenses; each member gets a version, an audit entry and an evaluation."""
    client = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT, name="Umbrella")
    other = await factories.create_place(tenant.id, kind=PlaceKind.CLIENT, name="Acorn")
    sublicense = await factories.create_place(tenant.id, kind=PlaceKind.SUBLICENSE, name="Gold", client_id=client.id)
    both = await factories.create_learner(tenant.id, places=[client, other, sublicense])
    one = await factories.create_learner(tenant.id, places=[sublicense])
    nobody = await factories.create_learner(tenant.id, places=[other])
    done = await change(lambda work: delete_place(work, kind=PlaceKind.CLIENT, place=client.id))
    assert {event.learner_id: set(event.facts) for event in done.events} == {
        both.id: {Fact(FactKind.CLIENT, client.id), Fact(FactKind.SUBLICENSE, sublicense.id)},
        one.id: {Fact(FactKind.SUBLICENSE, sublicense.id)},
    }
    assert await audited(superuser, both.id) == [
        [
            {"field": "clients", "before": ["Acorn", "Umbrella"], "after": ["Acorn"]},
            {"field": "sublicenses", "before": ["Gold"], "after": None},
        ]
    ]
    assert await audited(superuser, client.id) == await audited(superuser, sublicense.id) == [[]]
    assert await audited(superuser, nobody.id) == []
    assert await told(superuser) == [
        ("LEARNER", both.id, 2),
        ("LEARNER", one.id, 2),
        ("CLIENT", client.id, 2),
        ("SUBLICENSE", sublicense.id, 2),
    ]
    assert await superuser.fetchval("SELECT count(*) FROM place") == 1


async def test_a_new_owner_of_a_group_sees_other_things(
    change: ChangeBy, tenant: Tenant, trainer: Principal, superuser: Connection
) -> None:
    """Deleting a learning group is told as a change of its owner's account."""
    group = await factories.create_place(tenant.id, kind=PlaceKind.LEARNING_GROUP, owner_id=trainer.learner_id)
    await change(lambda work: delete_place(work, kind=PlaceKind.LEARNING_GROUP, place=group.id), by=trainer)
    assert await told(superuser) == [("LEARNING_GROUP", group.id, 2), ("ACCOUNT", trainer.learner_id, 1)]
