"""What streams keep for as long as they last: their documents, which many may share, and their variables.

A connection may have many streams and stay for days, so what all of them keep together is bounded: streams of a
program are the same few documents, and take next to nothing.
"""

import weakref
from collections.abc import Mapping
from typing import Any

import orjson

from gql.execution.documents import Remembered

#: What all streams of a process may keep.
MAX_BYTES = 32 * 1024 * 1024
#: What a stream keeps besides, and what values take for each byte of JSON.
STREAM_BYTES, BYTES_PER_BYTE = 1_000, 4


class StreamMemory:
    """What is kept at the moment."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self.size = 0

    def keep(self, stream: object, document: Remembered, variables: Mapping[str, Any]) -> bool:
        """Count what a stream keeps until it is gone; False if that is too much, and nothing is counted."""
        own = STREAM_BYTES + BYTES_PER_BYTE * len(orjson.dumps(variables))
        shared = 0 if document.streams else document.size
        if self.size + own + shared > self._max_bytes:
            return False
        self.size += own + shared
        document.streams += 1
        weakref.finalize(stream, self._let_go, document, own)
        return True

    def _let_go(self, document: Remembered, own: int) -> None:
        document.streams -= 1
        self.size -= own if document.streams else own + document.size


#: Streams of this process.
STREAMS = StreamMemory()
