"""Pages of rules, by name."""

from tests.support.company import RULES, Company, ref_is


async def page(company: Company, first: int, after: str | None = None) -> tuple[list[str], int, bool, str]:
    """Return names, total count, whether there is more, and the cursor to go on from."""
    found = await company.client.value(RULES, first=first, after=after)
    info = found["pageInfo"]
    return [rule["name"] for rule in found["nodes"]], found["totalCount"], info["hasNextPage"], info["endCursor"]


async def test_rules_are_paged_by_name_as_people_compare_names(company: Company) -> None:
    """Ignoring case, each rule once, with the total; 50 rules are one page when nothing is asked for."""
    course = await company.course("A")
    for name in ("delta", "Alpha", "charlie", "bravo", "Echo"):
        await company.rule(name, ref_is(1, name), gives=[course])
    names, total, has_more, cursor = await page(company, 2)
    assert (names, total, has_more) == (["Alpha", "bravo"], 5, True)
    names, total, has_more, cursor = await page(company, 2, cursor)
    assert (names, total, has_more) == (["charlie", "delta"], 5, True)
    names, total, has_more, cursor = await page(company, 2, cursor)
    assert (names, total, has_more) == (["Echo"], 5, False)
    assert (await page(company, 2, cursor))[:3] == ([], 5, False)
    without_arguments = await company.client.value("{ autoAssignmentRules { nodes { name } edges { cursor } } }")
    assert [rule["name"] for rule in without_arguments["nodes"]] == ["Alpha", "bravo", "charlie", "delta", "Echo"]
    assert without_arguments["edges"][-1]["cursor"] == cursor


async def test_a_page_goes_on_where_it_ended_whatever_changed_before(company: Company) -> None:
    """New, renamed and deleted rules before the cursor neither repeat nor hide others."""
    course = await company.course("A")
    rules = {name: await company.rule(name, ref_is(1, name), gives=[course]) for name in "BDFH"}
    names, _, _, cursor = await page(company, 2)
    assert names == ["B", "D"]
    await company.rule("A", ref_is(1, "A"), gives=[course])
    await company.delete(rules["D"])
    await company.edit(rules["H"], name="C")
    await company.rule("E", ref_is(1, "E"), gives=[course])
    assert (await page(company, 5, cursor))[:3] == (["E", "F"], 5, False)


async def test_an_empty_list_of_rules_is_a_page(company: Company) -> None:
    """No rules: no nodes, nothing more, nothing counted."""
    found = await company.client.value(RULES)
    assert found == {"nodes": [], "totalCount": 0, "pageInfo": {"hasNextPage": False, "endCursor": None}}
