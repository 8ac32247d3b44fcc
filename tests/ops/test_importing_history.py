"""Importing what happened before: with its own dates, and only where it does not contradict itself."""

from ops.imports.dates import DateOrder
from tests.ops.imports import CONTENT, ENROLLMENTS, LEARNERS, Imports


async def test_imported_history_has_its_own_dates(imports: Imports) -> None:
    """A day is noon where the person is; an instant is one; the column decides what 03/04/2025 means."""
    await imports(LEARNERS, "external_id,time_zone\n1,America/New_York\n2,\n")
    await imports(CONTENT, "external_id,minimum_score\nA,80\nB,\nC,\n")
    text = (
        "learner,content,status,score,completed_at,enrolled_at\n"
        "1,A,COMPLETED,90,03/04/2025,2025-01-02\n2,A,COMPLETED,,13/04/2025,2025-01-02T08:00:00+01:00\n"
        "1,B,,,2024-02-29 23:30,\n"
        "2,B,IN_PROGRESS,,01/01/2025,\n1,C,COMPLETED,,2999-01-01,\n2,C,COMPLETED,,0001-01-01,\n"
        "1,C,COMPLETED,,32/01/2025,\n2,C,COMPLETED,,,1899-12-31\n"
    )
    assert await imports(ENROLLMENTS, text) == (3, 0, 0, 5)
    wrong = [line.partition(" refused: ")[2].partition(":")[0] for line in imports.refused]
    assert wrong == ["completed_at"] * 4 + ["enrolled_at"]
    dated = (
        "SELECT l.external_id, c.external_id, to_char(e.completed_at, 'YYYY-MM-DD HH24:MI'),"
        "       to_char(a.occurred_at, 'YYYY-MM-DD HH24:MI')"
        "  FROM enrollment e JOIN learner l ON l.id = e.learner_id JOIN content c ON c.id = e.content_id"
        "  JOIN content_action a ON a.learner_id = l.id AND a.content_id = c.id AND a.action = 'COMPLETED'"
        " ORDER BY 2, 1"
    )
    history = [
        ("1", "A", "2025-04-03 16:00", "2025-04-03 16:00"),
        ("2", "A", "2025-04-13 10:00", "2025-04-13 10:00"),
        ("1", "B", "2024-03-01 04:30", "2024-03-01 04:30"),
    ]
    assert await imports.rows(dated) == history
    enrolled = (
        "SELECT to_char(e.enrolled_at, 'YYYY-MM-DD HH24:MI'), e.enrolled_at = r.since_at, e.enrolled_at = a.occurred_at"
        "  FROM enrollment e JOIN enrollment_reason r ON r.enrollment_id = e.id JOIN content c ON c.id = e.content_id"
        "  JOIN content_action a ON a.learner_id = e.learner_id AND a.content_id = c.id AND a.action = 'ENROLLED'"
        " WHERE c.external_id = 'A' ORDER BY 1"
    )
    assert await imports.rows(enrolled) == [("2025-01-02 07:00", True, True), ("2025-01-02 17:00", True, True)]
    assert await imports(ENROLLMENTS, text) == (0, 0, 3, 5)
    assert await imports.rows(dated) == history


async def test_dates_that_could_be_two_are_refused(imports: Imports) -> None:
    """Unless the operator says what comes first."""
    await imports(LEARNERS, "external_id\n1\n")
    await imports(CONTENT, "external_id\nA\n")
    text = "learner,content,completed_at\n1,A,03/04/2025\n"
    assert await imports(ENROLLMENTS, text) == (0, 0, 0, 1)
    assert "line 2 (1, A) refused: completed_at: Could be two dates" in imports.refused[0]
    assert await imports(ENROLLMENTS, text, date_order=DateOrder.MONTH_FIRST) == (1, 0, 0, 0)
    assert await imports.rows("SELECT completed_at::date::text FROM enrollment") == [("2025-03-04",)]


async def test_evidence_of_an_earlier_completion_dates_it_back(imports: Imports) -> None:
    """As when the date column was forgotten at first; the log has the new date too, and a later one moves nothing."""
    await imports(LEARNERS, "external_id\n1\n")
    await imports(CONTENT, "external_id\nA\nB\n")
    await imports(ENROLLMENTS, "learner,content,status\n1,A,COMPLETED\n")
    text = "learner,content,completed_at\n1,A,2024-05-06\n1,A,2025-05-06\n"
    assert await imports(ENROLLMENTS, text) == (0, 1, 1, 0)
    assert await imports.rows("SELECT completed_at::date::text, finished_at::date::text FROM enrollment") == [
        ("2024-05-06", "2024-05-06")
    ]
    assert await imports.rows(
        "SELECT occurred_at::date::text FROM content_action WHERE action = 'COMPLETED' ORDER BY id DESC LIMIT 1"
    ) == [("2024-05-06",)]
    assert await imports(ENROLLMENTS, text) == (0, 0, 2, 0)


async def test_completed_with_a_score_that_is_not_enough_is_a_contradiction(imports: Imports) -> None:
    """Unless the operator trusts the status."""
    await imports(LEARNERS, "external_id\n1\n")
    await imports(CONTENT, "external_id,minimum_score\nA,80\n")
    text = "learner,content,status,score\n1,A,COMPLETED,79\n"
    assert await imports(ENROLLMENTS, text) == (0, 0, 0, 1)
    assert imports.refused == ["line 2 (1, A) refused: score: COMPLETED needs a score of 80 in this course."]
    assert await imports.rows("SELECT count(*) FROM enrollment") == [(0,)]
    assert await imports(ENROLLMENTS, text, trusts_status=True) == (1, 0, 0, 0)
    assert await imports.rows("SELECT status, score FROM enrollment") == [("COMPLETED", 79)]
