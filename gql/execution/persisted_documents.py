"""Documents that clients name instead of sending them: automatic persisted queries, and documents that are trusted.

A client sends the SHA-256 of a document in `extensions.persistedQuery`. Where it is not known, the client is told so in
the words that it waits for, and sends both. Where an operator has named documents, those run and no others.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from graphql import GraphQLError

from domain.foundation.settings import BadSettings

PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
DOCUMENT_NOT_TRUSTED = "DOCUMENT_NOT_TRUSTED"
BAD_PERSISTED_QUERY = "BAD_REQUEST"

#: Bytes that remembered documents may take in one process; those not asked for longest are forgotten.
MAX_REMEMBERED_BYTES = 8 * 1024 * 1024
#: Bytes that one takes besides its text.
OVERHEAD = 400

#: Characters of a SHA-256; hexadecimal digits may be small or large.
HASH_LENGTH = 64
_MAX_ID_LENGTH = 200


class PersistedDocuments:
    """Documents of this process that have a name."""

    def __init__(self, trusted: Mapping[str, str] | None = None) -> None:
        #: The only documents that may run, by hash and by ID, where there are any.
        self._trusted = trusted
        self._texts: OrderedDict[tuple[int, str], str] = OrderedDict()
        self._bytes = 0

    def resolve(self, tenant_id: int, query: str | None, extensions: Mapping[str, Any] | None) -> str | None:
        """Return the document that a request means, None where it says nothing.

        Raises GraphQLError with the code that clients of the protocol know. Documents are those of a tenant: by a
        hash, nobody finds out what is asked elsewhere.
        """
        name = _name_of(extensions)
        if self._trusted is not None:
            return self._trusted_text(query, name)
        if name is None:
            return query
        if query:
            if _hash_of(query) != name.lower():
                raise _bad("The hash is not that of the document.")
            return query
        key = tenant_id, name.lower()
        if key not in self._texts:
            raise GraphQLError("PersistedQueryNotFound", extensions={"code": PERSISTED_QUERY_NOT_FOUND})
        self._texts.move_to_end(key)
        return self._texts[key]

    def remember(self, tenant_id: int, query: str, extensions: Mapping[str, Any] | None) -> None:
        """Keep a document that came together with its hash, and ran."""
        name = _name_of(extensions)
        if name is None or self._trusted is not None:
            return
        key = tenant_id, name.lower()
        if key not in self._texts:
            self._texts[key] = query
            self._bytes += _size_of(query)
        self._texts.move_to_end(key)
        while self._bytes > MAX_REMEMBERED_BYTES:
            _, forgotten = self._texts.popitem(last=False)
            self._bytes -= _size_of(forgotten)

    def _trusted_text(self, query: str | None, name: str | None) -> str | None:
        assert self._trusted is not None
        if not query and name is None:
            return query
        by_name = None if name is None else self._trusted.get(name.lower() if len(name) == HASH_LENGTH else name)
        by_text = self._trusted.get(_hash_of(query)) if query else None
        found = by_text if query else by_name
        if found is None:
            raise GraphQLError(
                "Only documents that the operator has named may run.", extensions={"code": DOCUMENT_NOT_TRUSTED}
            )
        if by_name is not None and by_name.strip() != found.strip():
            raise _bad("The hash is not that of the document.")
        # A document of a file ends with a line break that a client leaves out; errors name the places of what was sent.
        return query or found


def read_trusted_documents(path: Path) -> dict[str, str]:
    """Return the documents of a file or folder by their SHA-256, and by their ID where they have one.

    A folder holds a document in each file that ends with `.graphql` or `.gql`, below it too, and lists that end with
    `.json`: IDs with texts, or the manifest of Apollo's tools. Raises BadSettings.
    """
    try:
        files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
        found: dict[str, str] = {}
        for file in files:
            for id, text in _documents_of(file):
                for name in (id, _hash_of(text), _hash_of(text.strip())):
                    if name and found.setdefault(name, text).strip() != text.strip():
                        raise BadSettings(f"TRUSTED_DOCUMENTS: two documents are called {name!r}.")
    except (OSError, ValueError) as error:
        if isinstance(error, BadSettings):
            raise
        raise BadSettings(f"TRUSTED_DOCUMENTS cannot be read: {error}") from error
    if not found:
        raise BadSettings(f"TRUSTED_DOCUMENTS: there are no documents at {path}.")
    return found


def _documents_of(file: Path) -> Iterator[tuple[str | None, str]]:
    if file.suffix in (".graphql", ".gql"):
        yield None, file.read_text(encoding="utf-8")
    elif file.suffix == ".json":
        content = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(content, dict) and isinstance(content.get("operations"), list):
            entries = [(one.get("id"), one.get("body")) for one in content["operations"] if isinstance(one, dict)]
        else:
            entries = list(content.items()) if isinstance(content, dict) else [(None, None)]
        for id, text in entries:
            if not isinstance(id, str) or not isinstance(text, str):
                raise BadSettings(f"TRUSTED_DOCUMENTS: {file} is no list of IDs with documents.")
            yield id, text


def _name_of(extensions: Mapping[str, Any] | None) -> str | None:
    """Return the hash, or the ID, that a request gives; raises GraphQLError."""
    asked = (extensions or {}).get("persistedQuery")
    if asked is None:
        return None
    name = asked.get("sha256Hash") if isinstance(asked, dict) else None
    if not isinstance(name, str) or not 1 <= len(name) <= _MAX_ID_LENGTH:
        raise _bad("`extensions.persistedQuery` needs `sha256Hash`.")
    version = asked.get("version")
    if version != 1 or isinstance(version, bool):
        raise _bad("The only version of `extensions.persistedQuery` is 1.")
    return name


def _bad(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": BAD_PERSISTED_QUERY})


def _hash_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _size_of(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass")) + OVERHEAD
