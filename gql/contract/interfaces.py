"""Interfaces that types of several features implement."""

import strawberry
from strawberry import ID


@strawberry.interface(
    description="Object that can be fetched again by its ID. IDs are opaque, typed, never reused, and stable across "
    "renames.\nWhere an argument or input field expects the ID of one known type, `ext:` followed by the ID in the "
    'partner\'s system is\naccepted too (`departmentIds: ["ext:4711"]`), and for a learner `email:` followed by the '
    'email address\n(`learnerIds: ["email:ada@acme.example"]`): trainers, who do not see the partner\'s ID of others, '
    "name them by it.\n`node` and `nodes` take only our IDs, and results carry only ours."
)
class Node:
    """Object with an ID."""

    id: ID = strawberry.field(description="Globally unique ID of the object.")


@strawberry.interface(description="Someone or something that acts.")
class Actor(Node):
    """Person or service account."""

    name: str = strawberry.field(description="Name of the person or integration.")
