"""Kinds of objects, as feed, audit log and jobs store them, and the prefixes of their IDs."""

from domain.foundation.feed.changes import ObjectType
from gql.contract import ids

PREFIXES = {
    ObjectType.TENANT: ids.TENANT,
    ObjectType.ACCOUNT: ids.LEARNER,
    ObjectType.LEARNER: ids.LEARNER,
    ObjectType.SERVICE_ACCOUNT: ids.SERVICE_ACCOUNT,
    ObjectType.DEPARTMENT: ids.DEPARTMENT,
    ObjectType.LEARNING_GROUP: ids.LEARNING_GROUP,
    ObjectType.CLIENT: ids.CLIENT,
    ObjectType.SUBLICENSE: ids.SUBLICENSE,
    ObjectType.COURSE: ids.CONTENT,
    ObjectType.LEARNING_PATH: ids.CONTENT,
    ObjectType.ENROLLMENT: ids.ENROLLMENT,
    ObjectType.CONTENT_ACTION: ids.CONTENT_ACTION,
    ObjectType.RULE: ids.RULE,
    ObjectType.JOB: ids.BACKGROUND_JOB,
    ObjectType.MANDATORY_TASK: ids.MANDATORY_TASK,
    ObjectType.BULK_ASSIGNMENT: ids.BULK_ASSIGNMENT,
    ObjectType.NOTIFICATION: ids.NOTIFICATION,
    ObjectType.EMAIL_TEMPLATE: ids.EMAIL_TEMPLATE,
}


def types_of(prefix: str) -> list[ObjectType]:
    """Return the kinds of objects whose IDs have this prefix."""
    return [kind for kind, of_kind in PREFIXES.items() if of_kind == prefix]
