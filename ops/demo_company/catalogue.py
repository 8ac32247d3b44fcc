"""What can be learned at the demo company, and the rules that say who must."""

from domain.auto_assignment.conditions.atoms import ConditionKind, RefOperator
from domain.auto_assignment.conditions.input import ConditionInput
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules.editing import RuleDraft
from domain.content.fields import CourseFields
from domain.content.queries import ContentKey
from domain.enrollments.models import EnrollmentStatus
from domain.foundation.keys import ExternalId

#: Courses by external ID.
COURSES: dict[str, CourseFields] = {
    "SAFE-101": {"title": "Occupational safety basics", "lesson_count": 4, "minimum_score": 70},
    "SAFE-201": {"title": "Working at heights", "lesson_count": 3, "minimum_score": 80},
    "FORK-101": {"title": "Forklift safety", "lesson_count": 5, "minimum_score": 80},
    "FIRE-101": {"title": "Fire protection", "lesson_count": 2},
    "AID-101": {"title": "First aid", "lesson_count": 6, "is_self_enrollable": True, "seat_limit": 20},
    "GDPR-101": {"title": "Data protection", "lesson_count": 3, "minimum_score": 80},
    "SEC-101": {"title": "Information security basics", "lesson_count": 4, "minimum_score": 70},
    "SEC-201": {"title": "Secure development", "lesson_count": 8, "minimum_score": 70},
    "COMP-101": {"title": "Code of conduct", "lesson_count": 2},
    "COMP-201": {"title": "Anti-corruption", "lesson_count": 3, "minimum_score": 80},
    "LEAD-101": {"title": "Leading a team", "lesson_count": 6, "is_self_enrollable": True},
    "LEAD-201": {"title": "Difficult conversations", "lesson_count": 4, "is_self_enrollable": True},
    "QUAL-101": {"title": "Quality management", "lesson_count": 5},
    "LANG-101": {
        "title": "Business English",
        "lesson_count": 12,
        "is_self_enrollable": True,
        "seat_limit": 15,
        "has_waitlist": True,
        "access_days": 180,
    },
}
#: Learning paths by external ID: title, mandatory courses, optional ones.
PATHS = {
    "PATH-START": ("Welcome to Acme", ("COMP-101", "SAFE-101", "SEC-101"), ("LANG-101",)),
    "PATH-PLANT": ("Safe at the plant", ("SAFE-101", "FIRE-101", "QUAL-101"), ("AID-101",)),
    "PATH-LEAD": ("First leadership role", ("LEAD-101", "LEAD-201", "COMP-201"), ()),
}


def demo_rules() -> list[RuleDraft]:
    """Return four rules of four shapes."""
    return [
        _rule(
            "Forklift license",
            ["FORK-101", "FIRE-101"],
            [_ref(1, "Forklift driver"), _ref_is_not(5, "Temporary")],
            when_unmet=UnmetPolicy.RELEASE,
        ),
        _rule(
            "Plant safety",
            ["PATH-PLANT"],
            [_in_departments("Production", "Logistics"), _ref(1, "Field technician", "Lab technician")],
            match=ConditionMatch.ANY,
            when_unmet=UnmetPolicy.KEEP,
        ),
        _rule(
            "Compliance for customers",
            ["COMP-101", "GDPR-101"],
            [ConditionInput(ConditionKind.CLIENT, places=[place_key("Castellan Pharma")])],
            when_unmet=UnmetPolicy.UNENROLL,
        ),
        _rule(
            "Secure development after the basics",
            ["SEC-201"],
            [
                ConditionInput(
                    ConditionKind.CONTENT_STATUS,
                    contents=[ContentKey(external_id="SEC-101")],
                    status=EnrollmentStatus.COMPLETED,
                ),
                _ref(1, "Developer", "System administrator"),
            ],
            when_unmet=UnmetPolicy.KEEP,
        ),
    ]


def _rule(
    name: str,
    contents: list[str],
    conditions: list[ConditionInput],
    *,
    match: ConditionMatch = ConditionMatch.ALL,
    when_unmet: UnmetPolicy,
) -> RuleDraft:
    return RuleDraft(
        name=name,
        contents=[ContentKey(external_id=content) for content in contents],
        match=match,
        conditions=conditions,
        when_unmet=when_unmet,
        backfills_existing_learners=True,
    )


def _ref(number: int, *values: str) -> ConditionInput:
    return ConditionInput(ConditionKind.REF_VALUE, field_number=number, operator=RefOperator.EQUALS, ref_values=values)


def _ref_is_not(number: int, *values: str) -> ConditionInput:
    return ConditionInput(
        ConditionKind.REF_VALUE, field_number=number, operator=RefOperator.NOT_EQUALS, ref_values=values
    )


def _in_departments(*names: str) -> ConditionInput:
    return ConditionInput(ConditionKind.DEPARTMENT, places=[place_key(name) for name in names])


def place_key(*names: str) -> ExternalId:
    """Return the external ID of a place, or of one within another: `nordwind-retail/plus`."""
    return ExternalId("/".join(name.lower().replace(" & ", "-").replace(" ", "-") for name in names))
