"""Enums of the tenant and of rights."""

from enum import Enum

import strawberry

from domain.foundation.access import Role, Scope
from gql.contract.enums import publish_enum

publish_enum(
    Role,
    description="Roles, from least to most rights.",
    values={
        "LEARNER": "Sees own tasks, enrollments and notifications.",
        "TRAINER": "Assigns and follows up tasks for own courses and own learners.",
        "ADMIN": "Steers the whole tenant.",
    },
)

publish_enum(
    Scope,
    name="ServiceScope",
    description="What a service account may do.",
    values={
        "READ": "Read what an administrator reads, except the audit log, service accounts and the export of a person.",
        "WRITE_LEARNERS": "Write people whose role is LEARNER, departments, groups, clients, sublicenses and who "
        "belongs to them; not erase.",
        "WRITE_CONTENT": "Write courses and learning paths.",
        "WRITE_ENROLLMENTS": "Enroll, unenroll and record progress and purchases.",
        "WRITE_MANDATORY_TASKS": "Assign, change and withdraw mandatory tasks; write email templates.",
        "WRITE_RULES": "Create, change, backfill, duplicate and delete rules.",
    },
)


@strawberry.enum(description="Features that an administrator can switch.")
class TenantFeature(Enum):
    """Features that an administrator can switch."""

    AUTO_ASSIGNMENT = strawberry.enum_value("AUTO_ASSIGNMENT", description="Auto Assignment rules.")


__all__ = ["Role", "Scope", "TenantFeature"]
