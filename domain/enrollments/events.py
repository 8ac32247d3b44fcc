"""What happens to enrollments."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProgressChanged:
    """Status, progress or score of somebody's place in a content is another than before."""

    learner_id: int
    content_id: int
