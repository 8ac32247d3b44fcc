"""Operations on people and places that several tests send."""

from collections.abc import Mapping
from typing import Any

from gql.contract import ids
from tests.support.api import ERRORS

LEARNER = """
id externalId name email role timeZone isActive version
department { id name } learningGroups { id name } clients { id name } sublicenses { id name }
refValues { field { number label } value }
"""


def mutation(name: str, selection: str) -> str:
    """Return a mutation with its errors."""
    input_type = f"{name[0].upper()}{name[1:]}Input"
    return f"mutation($input: {input_type}!) {{ {name}(input: $input) {{ {selection} {ERRORS} }} }}"


CREATE = mutation("createLearner", f"learner {{ {LEARNER} }}")
UPDATE = mutation("updateLearner", f"learner {{ {LEARNER} }}")
DEACTIVATE = mutation("deactivateLearner", f"learner {{ {LEARNER} }}")
REACTIVATE = mutation("reactivateLearner", f"learner {{ {LEARNER} }}")
BULK = mutation(
    "bulkUpsertLearners",
    f"results {{ externalId outcome learner {{ id name version }} {ERRORS} }} reevaluation {{ status totalCount }}",
)
ERASE = mutation("eraseLearner", f"learner {{ {LEARNER} }}")
ADD = mutation("addMembers", f"learners {{ {LEARNER} }}")
REMOVE = mutation("removeMembers", f"learners {{ {LEARNER} }}")
ONE = f"query($by: LearnerKeyInput!) {{ learner(by: $by) {{ {LEARNER} }} }}"
NODE = "query($id: ID!) { node(id: $id) { __typename id } }"
LIST = """query($first: Int! = 25, $after: String, $filter: LearnerFilterInput,
  $orderBy: LearnerOrderInput! = { field: NAME, direction: ASC }) {
  learners(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    nodes { name email externalId } totalCount pageInfo { hasNextPage endCursor } } }"""

#: Kinds of places: name of the type, field of payloads, prefix of IDs.
KINDS = [
    ("Department", "department", ids.DEPARTMENT),
    ("LearningGroup", "learningGroup", ids.LEARNING_GROUP),
    ("Client", "client", ids.CLIENT),
    ("Sublicense", "sublicense", ids.SUBLICENSE),
]


def create_place(kind: str, fields: str = "id name externalId version") -> str:
    """Return the mutation that creates a place."""
    return mutation(f"create{kind}", f"{kind[0].lower()}{kind[1:]} {{ {fields} }}")


def update_place(kind: str, fields: str = "id name externalId version") -> str:
    """Return the mutation that changes a place."""
    return mutation(f"update{kind}", f"{kind[0].lower()}{kind[1:]} {{ {fields} }}")


def delete_place(kind: str) -> str:
    """Return the mutation that deletes a place."""
    return mutation(f"delete{kind}", f"deleted{kind}Id autoAssignmentActionCount reevaluation {{ id }}")


def lrn(key: int | None) -> str:
    """Return the ID of a learner."""
    assert key is not None
    return ids.encode(ids.LEARNER, key)


def new_learner(**fields: Any) -> Mapping[str, Any]:
    """Return an input of createLearner."""
    return {"name": "Nina New", "email": "nina@acme.test"} | fields
