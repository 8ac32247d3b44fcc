"""The table of reactions that tests run with: the product's own."""

import importlib
import importlib.util

from domain.foundation import unit_of_work
from domain.people.events import FactsChanged, LearnerBecameActive, LearnerBecameInactive


def install_reactions() -> None:
    """Install the reactions of the product; until there are any, its events have none."""
    if importlib.util.find_spec("domain.reactions") is not None:
        importlib.import_module("domain.reactions")
    else:
        unit_of_work.install({FactsChanged: [], LearnerBecameActive: [], LearnerBecameInactive: []})
