"""Files name places by the partner's ID or by name; what is not there yet is created once."""

from domain.foundation.access import Principal
from domain.people.models import PlaceKind
from domain.people.operations import ensure_places
from domain.tenants.models import Tenant
from tests.domain.people.conftest import ChangeBy
from tests.support import factories


async def test_places_are_found_or_created(change: ChangeBy, tenant: Tenant, admin: Principal) -> None:
    """By external ID before by name, blanks around it aside; what cannot be a name is left out."""
    known = await factories.create_place(tenant.id, name="Sales", external_id="S-1")
    named_like_it = await factories.create_place(tenant.id, name="S-1")
    names = ["S-1", "Sales", " Sales", "New", " New ", "", "a\nb", "x" * 201]
    operator = Principal.operator(tenant.id)

    async def ensure() -> dict[str, int]:
        done = await change(lambda work: ensure_places(work, kind=PlaceKind.DEPARTMENT, names=names), by=operator)
        places: dict[str, int] = done.result
        return places

    first = await ensure()
    assert first == {"S-1": known.id, "Sales": known.id, " Sales": known.id, "New": first["New"], " New ": first["New"]}
    assert first["New"] not in (known.id, named_like_it.id)
    assert await ensure() == first


async def test_sublicenses_belong_to_a_client(change: ChangeBy, tenant: Tenant) -> None:
    """The same name in two clients is two sublicenses; without a client none is created."""
    clients = [await factories.create_place(tenant.id, kind=PlaceKind.CLIENT) for _ in range(2)]

    async def ensure(name: str, client_id: int | None) -> dict[str, int]:
        done = await change(
            lambda work: ensure_places(work, kind=PlaceKind.SUBLICENSE, names=[name], client_id=client_id)
        )
        places: dict[str, int] = done.result
        return places

    one, other = [(await ensure("Gold", client.id))["Gold"] for client in clients]
    assert one != other
    assert await ensure("Gold", None) == {"Gold": one}
    assert await ensure("Silver", None) == {}
