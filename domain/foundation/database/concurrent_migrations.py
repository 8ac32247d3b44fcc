"""Steps of migrations that build beside the running product and lock nothing against writes."""

from typing import Any

from tortoise.migrations.operations import RunSQL


class RunConcurrently(RunSQL):
    """A `… CONCURRENTLY` statement: outside any transaction, and as patient as the longest of those that it waits for.

    Other steps give up a lock after seconds, because whoever comes after them waits too. Nobody waits for this one, and
    a report that runs for minutes must not make the migration fail.
    """

    async def database_forward(
        self, app_label: str, old_state: Any, new_state: Any, state_editor: Any | None = None
    ) -> None:
        """Run the statement on a connection that waits for locks as long as it takes."""
        if state_editor is None:
            return
        async with state_editor.client.acquire_connection() as connection:
            await connection.execute("SET lock_timeout = 0")
            try:
                await connection.execute(self.sql)
            finally:
                await connection.execute("RESET lock_timeout")
