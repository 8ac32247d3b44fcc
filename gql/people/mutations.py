"""Mutations of people and places, put together."""

import strawberry

from gql.people.learner_mutations import LearnersMutation
from gql.people.member_mutations import MembersMutation
from gql.people.place_deletion import PlaceDeletionMutation
from gql.people.place_mutations import PlacesMutation


@strawberry.type
class PeopleMutation(LearnersMutation, PlacesMutation, PlaceDeletionMutation, MembersMutation):
    """Mutations of people and places."""
