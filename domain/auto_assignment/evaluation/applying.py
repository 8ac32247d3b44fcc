"""The one apply path: memberships that begin and end become enrollments, reasons and log rows. Never a fact.

One learner is a set of one. Whatever order the rules stand in, unenrollments come before enrollments, and what a
leaving rule takes is given back by the others that are still met (spec 3.7, 3.8).
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from domain.auto_assignment.models import UnmetPolicy
from domain.enrollments.ending import EndedReason, Selection, end_reasons
from domain.enrollments.granting import Grant, Wanted, grant, grant_wanted
from domain.foundation.access import Source
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Difference:
    """A learner whose verdict on a rule is another than their membership says."""

    learner_id: int
    rule_id: int
    is_met: bool
    when_unmet: str
    is_preparing: bool
    #: Whether the rule has enrolled anybody yet.
    has_enrolled: bool


async def apply_differences(work: UnitOfWork, differences: Sequence[Difference]) -> None:
    """Store the memberships and do what entering and leaving asks for; the learners have to be locked."""
    if not differences:
        return
    entered = [one for one in differences if one.is_met]
    left = [one for one in differences if not one.is_met]
    work.collects_rule_actions = True
    await _store_members(work, left, entered)
    ended = await _leave(work, left)
    await _give_back(work, ended, differences)
    await _enter(work, [one for one in entered if not one.is_preparing])
    work.collects_rule_actions = False


_ADD_MEMBERS = """
INSERT INTO rule_member (learner_id, rule_id, tenant_id, since_at)
SELECT learner_id, rule_id, $3, $4 FROM unnest($1::bigint[], $2::bigint[]) AS t (learner_id, rule_id)
"""

#: How many meet a rule is one of the numbers that it shows.
_COUNTED = """
counted AS (
  INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)
  SELECT DISTINCT $3::bigint, 'RULE', rule_id, 0, $4::timestamptz FROM unnest({rule_ids}) AS t (rule_id))
"""


async def tell_of_numbers(work: UnitOfWork, learner_ids: Sequence[int]) -> None:
    """Say that the rules that these learners meet show other numbers: they are active, or are not, since now."""
    await work.sql.execute(
        "INSERT INTO change_pending (tenant_id, object_type, object_id, version, at)"
        " SELECT DISTINCT $1::bigint, 'RULE', rule_id, 0, $3::timestamptz FROM rule_member"
        "  WHERE tenant_id = $1 AND learner_id = ANY ($2::bigint[])",
        work.tenant_id,
        list(learner_ids),
        work.now,
    )


async def add_members(work: UnitOfWork, learner_ids: Sequence[int], rule_ids: Sequence[int]) -> None:
    """Store that each learner meets the rule beside it; they have to be locked, and no members yet."""
    if learner_ids:
        statement = f"WITH {_COUNTED.format(rule_ids='$2::bigint[]')} {_ADD_MEMBERS}"
        await work.sql.execute(statement, list(learner_ids), list(rule_ids), work.tenant_id, work.now)


async def _store_members(work: UnitOfWork, left: Sequence[Difference], entered: Sequence[Difference]) -> None:
    """Forget who left and add who entered, in one statement: most changes of a fact do both."""
    await work.sql.execute(
        "WITH gone AS ("
        "  DELETE FROM rule_member m USING unnest($5::bigint[], $6::bigint[]) AS t (learner_id, rule_id)"
        "   WHERE m.learner_id = t.learner_id AND m.rule_id = t.rule_id AND m.tenant_id = $3),"
        f" {_COUNTED.format(rule_ids='$2::bigint[] || $6::bigint[]')} {_ADD_MEMBERS}",
        [one.learner_id for one in entered],
        [one.rule_id for one in entered],
        work.tenant_id,
        work.now,
        [one.learner_id for one in left],
        [one.rule_id for one in left],
    )


_LEAVING = """
SELECT r.id AS reason_id, r.enrollment_id, r.learner_id, r.content_id, t.rule_id
  FROM unnest($9::bigint[], $10::bigint[], $11::boolean[]) AS t (learner_id, rule_id, takes_everything)
  -- OFFSET keeps it a look-up for each of them: joined, all that a rule has given could be read for each.
  CROSS JOIN LATERAL (
    SELECT id, enrollment_id, content_id FROM enrollment_reason
     WHERE rule_id = t.rule_id AND learner_id = t.learner_id AND until_at IS NULL AND source = 'AUTO_ENROLLMENT'
    OFFSET 0) own
  JOIN rule_target g ON g.rule_id = t.rule_id AND g.content_id = own.content_id
  JOIN enrollment_reason r ON r.enrollment_id = own.enrollment_id AND r.until_at IS NULL
   AND (t.takes_everything OR r.id = own.id)
"""


async def _leave(work: UnitOfWork, left: Sequence[Difference]) -> list[EndedReason]:
    """Do what the rules' options say about those who left; return the reasons that ended by UNENROLL or RELEASE."""
    kept = [one for one in left if one.when_unmet == UnmetPolicy.KEEP]
    if kept:
        await work.sql.execute(
            "UPDATE enrollment_reason r SET is_permanent = true"
            "  FROM unnest($1::bigint[], $2::bigint[]) AS t (learner_id, rule_id)"
            " WHERE r.rule_id = t.rule_id AND r.learner_id = t.learner_id AND r.until_at IS NULL AND r.tenant_id = $3",
            [one.learner_id for one in kept],
            [one.rule_id for one in kept],
            work.tenant_id,
        )
    taken = [one for one in left if one.when_unmet != UnmetPolicy.KEEP]
    if not taken:
        return []
    selection = Selection(
        _LEAVING,
        (
            [one.learner_id for one in taken],
            [one.rule_id for one in taken],
            [one.when_unmet == UnmetPolicy.UNENROLL for one in taken],
        ),
    )
    return await end_reasons(work, selection, source=Source.AUTO_UNENROLLMENT, is_by_rule=True)


async def _give_back(work: UnitOfWork, ended: Sequence[EndedReason], differences: Sequence[Difference]) -> None:
    """Give back what leaving took from rules that are still met: their own reasons, and those of paths they hold.

    A rule that is entered now is met, but not still met: entering gives everything anyway.
    """
    changed = {(one.learner_id, one.rule_id) for one in differences}
    own = [
        one for one in ended if one.source == Source.AUTO_ENROLLMENT and (one.learner_id, one.rule_id) not in changed
    ]
    brought = [one for one in ended if one.source == Source.LEARNING_PATH]
    grants: list[Grant] = []
    if own:
        members = await work.sql.fetch(
            "SELECT t.learner_id, t.content_id, t.rule_id, r.name"
            "  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS t (learner_id, content_id, rule_id)"
            "  JOIN rule_member m ON m.learner_id = t.learner_id AND m.rule_id = t.rule_id"
            "  JOIN rule r ON r.id = t.rule_id AND r.state <> 'DELETED' WHERE r.tenant_id = $4"
            " ORDER BY 1, 3, 2",
            [one.learner_id for one in own],
            [one.content_id for one in own],
            [one.rule_id for one in own],
            work.tenant_id,
        )
        grants += [
            Grant(row["learner_id"], row["content_id"], Source.AUTO_ENROLLMENT, row["rule_id"], row["name"])
            for row in members
        ]
    if brought:
        # The path itself still holds: then it does so by its own reasons, one of which has to be a met rule's.
        holders = await work.sql.fetch(
            "SELECT DISTINCT ON (t.learner_id, t.content_id, t.path_id)"
            "       t.learner_id, t.content_id, t.path_id, u.id AS rule_id, u.name"
            "  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS t (learner_id, content_id, path_id)"
            "  JOIN enrollment p ON p.learner_id = t.learner_id AND p.content_id = t.path_id AND p.is_active"
            "  JOIN enrollment_reason r ON r.enrollment_id = p.id AND r.until_at IS NULL"
            "   AND r.source = 'AUTO_ENROLLMENT'"
            "  JOIN rule_member m ON m.learner_id = t.learner_id AND m.rule_id = r.rule_id"
            "  JOIN rule u ON u.id = r.rule_id AND u.state <> 'DELETED'"
            " WHERE u.tenant_id = $4 AND (m.learner_id, m.rule_id) NOT IN"
            "       (SELECT * FROM unnest($5::bigint[], $6::bigint[]) AS entered (learner_id, rule_id))"
            " ORDER BY t.learner_id, t.content_id, t.path_id, u.id",
            [one.learner_id for one in brought],
            [one.content_id for one in brought],
            [one.path_id for one in brought],
            work.tenant_id,
            [one.learner_id for one in differences if one.is_met],
            [one.rule_id for one in differences if one.is_met],
        )
        grants += [
            Grant(
                row["learner_id"],
                row["content_id"],
                Source.LEARNING_PATH,
                row["rule_id"],
                row["name"],
                path_id=row["path_id"],
            )
            for row in holders
        ]
    await grant(work, grants, writes_facts=False)


async def _enter(work: UnitOfWork, entered: Sequence[Difference]) -> None:
    people: dict[int, list[int]] = defaultdict(list)
    for one in entered:
        people[one.rule_id].append(one.learner_id)
    await enroll_in_targets(
        work,
        [learner_id for learner_ids in people.values() for learner_id in learner_ids],
        [rule_id for rule_id, learner_ids in people.items() for _ in learner_ids],
        unused_rule_ids={one.rule_id for one in entered if not one.has_enrolled},
    )


async def enroll_in_targets(
    work: UnitOfWork, learner_ids: Sequence[int], rule_ids: Sequence[int], *, unused_rule_ids: Collection[int]
) -> None:
    """Enroll each learner in every target of the rule beside it; SQL brings people and targets together.

    `unused_rule_ids` are those of the rules that may have enrolled nobody so far.
    """
    if not learner_ids:
        return
    await grant_wanted(
        work,
        Wanted(
            "SELECT t.learner_id, g.content_id, 'AUTO_ENROLLMENT'::varchar AS source, u.id AS rule_id,"
            "       u.name AS rule_name, NULL::bigint AS task_id, NULL::bigint AS path_id"
            "  FROM unnest($7::bigint[], $8::bigint[]) AS t (learner_id, rule_id)"
            "  JOIN rule_target g ON g.rule_id = t.rule_id JOIN rule u ON u.id = t.rule_id",
            (list(learner_ids), list(rule_ids)),
        ),
        writes_facts=False,
    )
    await _mark_used(work, unused_rule_ids)


async def enroll_in_contents(work: UnitOfWork, rule_id: int, places: Sequence[tuple[int, int]]) -> None:
    """Enroll learners in contents, given as (learner, content), because of one rule."""
    if not places:
        return
    await grant_wanted(
        work,
        Wanted(
            "SELECT t.learner_id, t.content_id, 'AUTO_ENROLLMENT'::varchar AS source, u.id AS rule_id,"
            "       u.name AS rule_name, NULL::bigint AS task_id, NULL::bigint AS path_id"
            "  FROM unnest($7::bigint[], $8::bigint[]) AS t (learner_id, content_id)"
            "  JOIN rule u ON u.id = $9::bigint",
            ([learner_id for learner_id, _ in places], [content_id for _, content_id in places], rule_id),
        ),
        writes_facts=False,
    )
    await _mark_used(work, [rule_id])


async def _mark_used(work: UnitOfWork, rule_ids: Collection[int]) -> None:
    """Note that rules have enrolled somebody, which fixes most of them; after the first time it costs a look."""
    if not rule_ids:
        return
    used = await work.sql.fetch(
        "UPDATE rule SET has_enrolled = true, version = version + 1"
        " WHERE id IN (SELECT id FROM rule WHERE id = ANY ($1::bigint[]) AND tenant_id = $2 AND NOT has_enrolled"
        "              ORDER BY id FOR NO KEY UPDATE) AND NOT has_enrolled RETURNING id, version",
        list(rule_ids),
        work.tenant_id,
    )
    await record_changes(work, ObjectType.RULE, [(row["id"], row["version"]) for row in used])
