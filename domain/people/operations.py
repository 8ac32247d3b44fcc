"""Changing people and places. Whatever rules could care about ends in an event (`domain.people.events`)."""

from domain.people.learners.activation import deactivate_learner, deactivate_learners, reactivate_learner
from domain.people.learners.bulk_upsert import LearnerRowResult, bulk_upsert_learners, upsert_learners
from domain.people.learners.erasing import erase_learner
from domain.people.learners.operations import create_learner, update_learner
from domain.people.places.deletion import delete_place
from domain.people.places.importing import ensure_places
from domain.people.places.memberships import add_members, remove_members
from domain.people.places.operations import create_place, update_place

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
