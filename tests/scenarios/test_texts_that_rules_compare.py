"""Values that look the same are the same to rules."""

import unicodedata

from domain.tenants.models import Tenant
from tests.support import factories
from tests.support.company import Company, ref_is

NFC, NFD = "Küche", unicodedata.normalize("NFD", "Küche")


async def test_a_rule_meets_a_value_however_either_was_typed(company: Company, tenant: Tenant) -> None:
    """The rule has one form, the person the other, both ways round."""
    for number, (of_rule, of_person) in enumerate(((NFC, NFD), (NFD, NFC)), start=1):
        course = await company.course(f"Course {number}")
        person = await factories.create_person(tenant.id)
        await company.rule(f"Rule {number}", ref_is(number, of_rule), gives=[course])
        await company.set_ref(person, number, of_person)
        assert await company.enrolled(person) == [f"Course {number}"]
