"""Keeping mails in a directory instead of sending them: for trying out, where no SMTP server is named."""

import asyncio
import mailbox
from pathlib import Path

from domain.notifications.mails import HandOverFailed, Mail


class MaildirTransport:
    """Puts mails into a maildir, which is made when it is needed; any number of processes may share one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # The library's own counter is all that is shared between threads.
        self._turn = asyncio.Lock()

    async def send(self, mail: Mail) -> None:
        """Keep one mail; raises HandOverFailed."""
        try:
            async with self._turn:
                await asyncio.to_thread(self._add, mail)
        except OSError as error:
            raise HandOverFailed(f"The directory of mails cannot be written ({error.strerror}).") from error

    def _add(self, mail: Mail) -> None:
        self._directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # On disk, lines end as everywhere on the system.
        mailbox.Maildir(self._directory, create=True).add(mail.content.replace(b"\r\n", b"\n"))

    async def close(self) -> None:
        """Nothing is kept open."""
