"""What a template can speak of, and how much each of it is at most."""

from collections.abc import Mapping
from types import MappingProxyType

#: The variables, each with the most characters that its value has; longer ones are cut.
VARIABLES: Mapping[str, int] = MappingProxyType(
    {
        "learner.name": 255,
        "learner.email": 320,
        "task.title": 200,
        "task.dueOn": 10,
        "task.daysLeft": 8,
        "task.status": 20,
        "task.note": 500,
        "task.url": 500,
        "assigner.name": 255,
        "tenant.name": 200,
    }
)
NUMBERS = frozenset({"task.daysLeft"})
#: Values by object and field, as in `{"task": {"title": "First aid"}}`.
Values = Mapping[str, Mapping[str, str | int | None]]
