"""Creating, changing and copying rules. A rule is judged as a whole, written, and then meets who is there already."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.auto_assignment.conditions.atoms import Condition
from domain.auto_assignment.conditions.input import ConditionInput
from domain.auto_assignment.errors import RuleLocked
from domain.auto_assignment.evaluation.backfill import begin_backfill, begin_preparation
from domain.auto_assignment.models import ConditionMatch, UnmetPolicy
from domain.auto_assignment.rules.jobs import cancel_jobs_of_rule
from domain.auto_assignment.rules.storage import (
    LockedRule,
    add_targets,
    condition_as_json,
    insert_rule,
    lock_rule,
    remove_targets,
    replace_conditions,
    update_rule_row,
)
from domain.auto_assignment.rules.validation import (
    MAX_CONTENTS,
    judge_conditions,
    judge_contents,
    judged,
    require_feature,
    require_room,
)
from domain.content.queries import ContentKey
from domain.foundation.access import Scope
from domain.foundation.audit.recording import audit, changed_fields
from domain.foundation.errors import DomainError, Invalid, ProblemList, TooManyItems, VersionConflict
from domain.foundation.feed.changes import ObjectType, record_changes
from domain.foundation.locks import lock_rules
from domain.foundation.text_validation import name_text
from domain.foundation.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """A rule as it is asked for."""

    name: str
    contents: Sequence[ContentKey]
    match: ConditionMatch
    conditions: Sequence[ConditionInput]
    when_unmet: UnmetPolicy
    backfills_existing_learners: bool


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """What an edit asks for; None and empty lists ask for nothing."""

    name: str | None = None
    add_contents: Sequence[ContentKey] = ()
    remove_contents: Sequence[ContentKey] = ()
    match: ConditionMatch | None = None
    conditions: Sequence[ConditionInput] | None = None
    when_unmet: UnmetPolicy | None = None


@dataclass(frozen=True, slots=True)
class RuleSaved:
    """IDs of a saved rule and of the work that follows from it."""

    rule_id: int
    backfill_id: int | None
    preparation_id: int | None


@dataclass(frozen=True, slots=True)
class _Rule:
    """Everything that can be said about a rule, resolved."""

    name: str
    match: ConditionMatch
    when_unmet: UnmetPolicy
    content_ids: tuple[int, ...]
    conditions: tuple[Condition, ...]

    def as_json(self) -> dict[str, object]:
        """Return the rule as the audit log shows it."""
        return {
            "name": self.name,
            "contents": list(self.content_ids),
            "match": self.match.value,
            "conditions": [condition_as_json(condition) for condition in self.conditions],
            "whenUnmet": self.when_unmet.value,
        }


async def create_rule(work: UnitOfWork, *, draft: RuleDraft) -> RuleSaved:
    """Create a rule, and enroll who meets it already or lay down that they do.

    Raises FeatureDisabled, RuleLimitReached, AlreadyExists for the name, Invalid, TooManyItems and NotFound for what it
    names.
    """
    work.principal.require_write(Scope.WRITE_RULES)
    # From here on no change of a fact is under way that does not know the rule, nothing that the rule names is deleted,
    # and the feature stays as it is.
    await lock_rules(work)
    await require_feature(work.sql, work.tenant_id)
    problems = ProblemList()
    name = _judged_name(problems, draft.name, ["name"])
    content_ids = await judged(problems, judge_contents(work.sql, work.principal, draft.contents), [])
    conditions = await judged(problems, judge_conditions(work.sql, work.principal, draft.conditions), [])
    problems.raise_if_any()
    rule = _Rule(name, draft.match, draft.when_unmet, tuple(content_ids), tuple(conditions))
    return await _insert(work, rule, backfills=draft.backfills_existing_learners)


async def duplicate_rule(
    work: UnitOfWork, *, rule_id: int, name: str, changes: RuleChanges, backfills_existing_learners: bool
) -> RuleSaved:
    """Copy a rule under a new name, with changes, as a new rule that has enrolled nobody."""
    work.principal.require_write(Scope.WRITE_RULES)
    await lock_rules(work)
    await require_feature(work.sql, work.tenant_id)
    original = await lock_rule(work, rule_id)
    problems = ProblemList()
    copied = await _judged_changes(work, problems, original, replace(changes, name=None))
    copied = replace(copied, name=_judged_name(problems, name, ["name"]))
    problems.raise_if_any()
    return await _insert(work, copied, backfills=backfills_existing_learners)


async def update_rule(
    work: UnitOfWork,
    *,
    rule_id: int,
    changes: RuleChanges,
    expected_version: int | None,
    backfills_existing_learners: bool,
) -> RuleSaved:
    """Change a rule; what the edit adds is backfilled or laid down, nobody leaves or enters by it (spec 3.13).

    Raises RuleLocked when one part is fixed, and then changes nothing, and VersionConflict.
    """
    work.principal.require_write(Scope.WRITE_RULES)
    await lock_rules(work)
    await require_feature(work.sql, work.tenant_id)
    before = await lock_rule(work, rule_id)
    if expected_version is not None and before.edited_version > expected_version:
        raise VersionConflict(current_version=before.version)
    problems = ProblemList()
    after = await _judged_changes(work, problems, before, changes)
    _note_locked_parts(problems, before, after)
    problems.raise_if_any()
    fields = changed_fields(_as_it_is(before).as_json(), after.as_json())
    if not fields:
        return RuleSaved(rule_id, None, None)
    await update_rule_row(work, rule_id, name=after.name, match=after.match, when_unmet=after.when_unmet)
    await audit(work, ObjectType.RULE, rule_id, after.name, fields)
    saved = await _work_on_edit(work, before, after, backfills=backfills_existing_learners)
    version = await work.sql.value("SELECT version FROM rule WHERE tenant_id = $1 AND id = $2", work.tenant_id, rule_id)
    await record_changes(work, ObjectType.RULE, [(rule_id, version)])
    return saved


async def _work_on_edit(work: UnitOfWork, before: LockedRule, after: _Rule, *, backfills: bool) -> RuleSaved:
    """Store the parts of an edit and begin what follows from it."""
    added = [content_id for content_id in after.content_ids if content_id not in before.content_ids]
    removed = [content_id for content_id in before.content_ids if content_id not in after.content_ids]
    await add_targets(work, before.id, added)
    await remove_targets(work, before.id, removed)
    has_other_conditions = (before.match, before.conditions) != (after.match, after.conditions)
    backfill_id = preparation_id = None
    if has_other_conditions:
        # Their work was about who met the old conditions.
        await cancel_jobs_of_rule(work, before.id)
        await replace_conditions(work, before.id, after.match, after.conditions)
        if backfills:
            backfill_id = await begin_backfill(work, before.id, after.name, content_ids=after.content_ids)
        else:
            preparation_id = await begin_preparation(work, before.id, after.name)
    elif added and backfills:
        backfill_id = await begin_backfill(work, before.id, after.name, content_ids=added, was_in_force=True)
    return RuleSaved(before.id, backfill_id, preparation_id)


async def _insert(work: UnitOfWork, rule: _Rule, *, backfills: bool) -> RuleSaved:
    """Store a new rule and begin what follows from it; the rules have to be locked."""
    await require_room(work)
    rule_id = await insert_rule(
        work,
        name=rule.name,
        match=rule.match,
        when_unmet=rule.when_unmet,
        content_ids=rule.content_ids,
        conditions=rule.conditions,
    )
    await audit(work, ObjectType.RULE, rule_id, rule.name, changed_fields({}, rule.as_json()))
    backfill_id = preparation_id = None
    if backfills:
        backfill_id = await begin_backfill(work, rule_id, rule.name, content_ids=rule.content_ids)
    else:
        preparation_id = await begin_preparation(work, rule_id, rule.name)
    version = await work.sql.value("SELECT version FROM rule WHERE tenant_id = $1 AND id = $2", work.tenant_id, rule_id)
    await record_changes(work, ObjectType.RULE, [(rule_id, version)])
    return RuleSaved(rule_id, backfill_id, preparation_id)


def _judged_name(problems: ProblemList, name: str, path: list[str]) -> str:
    try:
        return name_text(name, path=path)
    except DomainError as error:
        problems.add(error)
        return name


def _as_it_is(rule: LockedRule) -> _Rule:
    return _Rule(rule.name, rule.match, rule.when_unmet, rule.content_ids, rule.conditions)


async def _judged_changes(work: UnitOfWork, problems: ProblemList, rule: LockedRule, changes: RuleChanges) -> _Rule:
    """Return the rule as it would be after the changes; notes what is wrong with them."""
    sql, principal = work.sql, work.principal
    name = rule.name if changes.name is None else _judged_name(problems, changes.name, ["changes", "name"])
    added = await judged(
        problems,
        judge_contents(sql, principal, changes.add_contents, smallest=0, path=["changes", "addContents"]),
        [],
    )
    removed = await judged(
        problems,
        judge_contents(sql, principal, changes.remove_contents, smallest=0, path=["changes", "removeContents"]),
        [],
    )
    conditions = list(rule.conditions)
    if changes.conditions is not None:
        path = ["changes", "conditions"]
        conditions = await judged(problems, judge_conditions(sql, principal, changes.conditions, path=path), conditions)
    kept = [content_id for content_id in rule.content_ids if content_id not in removed]
    content_ids = list(dict.fromkeys([*kept, *added]))
    if not content_ids and not problems:
        problems.add(Invalid("At least one content has to stay.", path=["changes", "removeContents"]))
    if len(content_ids) > MAX_CONTENTS:
        problems.add(TooManyItems(limit=MAX_CONTENTS, path=["changes", "addContents"]))
    return _Rule(
        name,
        rule.match if changes.match is None else changes.match,
        rule.when_unmet if changes.when_unmet is None else changes.when_unmet,
        tuple(content_ids),
        tuple(conditions),
    )


def _note_locked_parts(problems: ProblemList, before: LockedRule, after: _Rule) -> None:
    """Note what of an edit is fixed because the rule has enrolled somebody."""
    if not before.has_enrolled:
        return
    if set(before.content_ids) - set(after.content_ids):
        problems.add(RuleLocked(path=["changes", "removeContents"]))
    if before.conditions != after.conditions:
        problems.add(RuleLocked(path=["changes", "conditions"]))
    if before.match != after.match:
        problems.add(RuleLocked(path=["changes", "match"]))
