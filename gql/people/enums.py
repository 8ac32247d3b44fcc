"""Enums of people."""

from enum import Enum

import strawberry

from domain.foundation.row_outcomes import RowOutcome
from gql.contract.enums import publish_enum

publish_enum(
    RowOutcome,
    description="Outcomes of one row.",
    values={
        "CREATED": "Something new was created.",
        "UPDATED": "Something was changed.",
        "UNCHANGED": "Everything was so already: nothing was written.",
        "FAILED": "The row was refused; see its errors.",
    },
)


@strawberry.enum(description="Fields that learners can be sorted by.")
class LearnerOrderField(Enum):
    """Fields that learners can be sorted by."""

    NAME = strawberry.enum_value("NAME", description="Display name.")
    CREATED_AT = strawberry.enum_value("CREATED_AT", description="Timestamp of creation.")


__all__ = ["LearnerOrderField", "RowOutcome"]
