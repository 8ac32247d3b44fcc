"""Keeping mails in a directory instead of sending them: for trying out, where no SMTP server is named."""

import asyncio
import contextlib
import logging
import mailbox
from pathlib import Path
from typing import Any

from domain.notifications.deliveries.mails import HandOverFailed, Mail

log = logging.getLogger(__name__)


class _TidyMaildir(mailbox.Maildir):
    """Leaves nothing behind of a mail that could not be written: on a full disk the library does not get that far."""

    def _create_tmp(self) -> Any:
        self._unfinished = file = super()._create_tmp()  # type: ignore[misc]
        return file

    def add(self, message: Any) -> str:
        """Add a mail and return its key."""
        try:
            return super().add(message)
        except OSError:
            with contextlib.suppress(OSError, AttributeError):
                Path(self._unfinished.name).unlink()
            raise


class MaildirTransport:
    """Puts mails into a maildir and makes what is missing of it; any number of processes may share one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._is_failing = False
        # The library's own counter is all that is shared between threads.
        self._turn = asyncio.Lock()

    async def send(self, mail: Mail) -> None:
        """Keep one mail; raises HandOverFailed."""
        try:
            async with self._turn:
                await asyncio.to_thread(self._add, mail)
        except OSError as error:
            # Told once, not with every mail.
            if not self._is_failing:
                log.warning("the directory of mails cannot be written: %s", error)
                self._is_failing = True
            raise HandOverFailed(f"The directory of mails cannot be written ({error.strerror}).") from error
        if self._is_failing:
            log.warning("the directory of mails can be written again")
            self._is_failing = False

    def _add(self, mail: Mail) -> None:
        self._directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        maildir = _TidyMaildir(self._directory, create=True)
        # The library makes them only together with the directory itself, and that may have been there before.
        for folder in ("tmp", "new", "cur"):
            (self._directory / folder).mkdir(mode=0o700, exist_ok=True)
        # On disk, lines end as everywhere on the system.
        maildir.add(mail.content.replace(b"\r\n", b"\n"))

    async def close(self) -> None:
        """Nothing is kept open."""
