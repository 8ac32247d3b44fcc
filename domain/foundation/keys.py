"""How callers name objects: by our ID, or by the ID in their own system."""


class ExternalId(str):
    """ID in the partner's system (`ext:4711` in the API), where our own ID would be an int."""

    __slots__ = ()


Reference = int | ExternalId
