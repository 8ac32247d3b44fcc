"""How callers name objects: by our ID, or by what they know them by in their own system."""

from domain.foundation.text_validation import key_text


class ExternalId(str):
    """ID in the partner's system (`ext:4711` in the API) as it is stored, where our own ID would be an int."""

    __slots__ = ()

    def __new__(cls, text: str) -> "ExternalId":
        """Return the ID that a text means, however it was typed."""
        return super().__new__(cls, key_text(text))


class EmailAddress(ExternalId):
    """Email address (`email:ada@acme.example` in the API) where the partner's ID of a person could stand."""

    __slots__ = ()


Reference = int | ExternalId
