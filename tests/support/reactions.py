"""The table of reactions that tests run with: the product's own."""

import importlib

from domain.foundation import unit_of_work
from domain.people.events import FactsChanged, LearnerBecameActive, LearnerBecameInactive


def install_reactions() -> None:
    """Install the reactions of the product; until there are any, its events have none."""
    try:
        importlib.import_module("domain.reactions")
    except ModuleNotFoundError:
        unit_of_work.install({FactsChanged: [], LearnerBecameActive: [], LearnerBecameInactive: []})
