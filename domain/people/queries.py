"""Reading people and places: by key, by ID for the API's loaders, and page by page.

What a viewer may not see is left out of lists and lookups; what is reached from something visible is shown in short
form.
"""

from domain.people.learners.keys import LearnerKey, find_learner_ids, resolve_learner, resolve_learners
from domain.people.learners.queries import (
    LearnerFilter,
    LearnerRow,
    RefRow,
    find_learner,
    find_learner_by_key,
    learner_order,
    list_learners,
    list_learners_among,
    load_changed_learners_by_id,
    load_learner_refs_by_learner,
    load_learners_by_id,
    visible_to,
)
from domain.people.locks import (
    LockedLearner,
    lock_found_learners,
    lock_idle_learners,
    lock_learners,
    lock_learners_left,
)
from domain.people.places.queries import (
    PlaceRow,
    find_named_places,
    find_place,
    list_places,
    load_changed_places_by_id,
    load_member_counts,
    load_places_by_id,
    load_places_by_learner,
    resolve_places,
)

__all__ = [
    "LearnerFilter",
    "LearnerKey",
    "LearnerRow",
    "LockedLearner",
    "PlaceRow",
    "RefRow",
    "find_learner",
    "find_learner_by_key",
    "find_learner_ids",
    "find_named_places",
    "find_place",
    "learner_order",
    "list_learners",
    "list_learners_among",
    "list_places",
    "load_changed_learners_by_id",
    "load_changed_places_by_id",
    "load_learner_refs_by_learner",
    "load_learners_by_id",
    "load_member_counts",
    "load_places_by_id",
    "load_places_by_learner",
    "lock_found_learners",
    "lock_idle_learners",
    "lock_learners",
    "lock_learners_left",
    "resolve_learner",
    "resolve_learners",
    "resolve_places",
    "visible_to",
]
