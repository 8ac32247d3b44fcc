"""Changing people and places. Whatever rules could care about ends in an event (`domain.people.events`)."""

from domain.people.operations.activation import deactivate_learner, deactivate_learners, reactivate_learner
from domain.people.operations.bulk_upsert import LearnerRowResult, bulk_upsert_learners, upsert_learners
from domain.people.operations.erasing import erase_learner
from domain.people.operations.imported_places import ensure_places
from domain.people.operations.learners import create_learner, update_learner
from domain.people.operations.memberships import add_members, remove_members
from domain.people.operations.place_deletion import delete_place
from domain.people.operations.places import create_place, update_place

__all__ = [
    "LearnerRowResult",
    "add_members",
    "bulk_upsert_learners",
    "create_learner",
    "create_place",
    "deactivate_learner",
    "deactivate_learners",
    "delete_place",
    "ensure_places",
    "erase_learner",
    "reactivate_learner",
    "remove_members",
    "update_learner",
    "update_place",
    "upsert_learners",
]
