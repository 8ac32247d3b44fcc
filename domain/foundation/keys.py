"""How callers name objects: by our ID, or by what they know them by in their own system."""


class ExternalId(str):
    """ID in the partner's system (`ext:4711` in the API), where our own ID would be an int."""

    __slots__ = ()


class EmailAddress(ExternalId):
    """Email address (`email:ada@acme.example` in the API) where the partner's ID of a person could stand."""

    __slots__ = ()


Reference = int | ExternalId
