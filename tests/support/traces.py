"""Whether anything of somebody is left anywhere: every column of every table is looked through."""

from collections.abc import Iterable

from tests.support.catalogue import Connection, all_tables


async def traces_of(superuser: Connection, words: Iterable[str]) -> list[str]:
    """Return `table: word` wherever a row has one of these words in any of its columns, whatever the case."""
    found = []
    for table in await all_tables(superuser):
        for word in words:
            if await superuser.fetchval(
                f'SELECT EXISTS (SELECT 1 FROM "{table}" t WHERE position(lower($1) IN lower(to_jsonb(t)::text)) > 0)',
                word,
            ):
                found.append(f"{table}: {word}")
    return found
