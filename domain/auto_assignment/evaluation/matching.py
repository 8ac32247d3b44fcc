"""The one matching query: which learners meet which rules, a pure function of the tenant's present facts.

Facts joined with atoms give bits; bits and masks give the verdict (`conditions` says how). The query has one hole, the
*hits*: rows (learner_id, rule_id, bit). Two sources fill it: the facts of given learners, or the atoms of given rules
walked through the index. Real-time evaluation, backfill, preview, and whatever else asks put this query into theirs;
nobody decides a rule in another way.

Common table expressions shadow what the query reads: `rule` and `rule_atom` for a rule that is not saved, `fact` for
facts that are only supposed.
"""

from domain.auto_assignment.conditions.atoms import CompiledRule

#: Rows (learner_id, rule_id) of everybody active who meets a rule, out of `{hits}`.
_MATCH = """
SELECT b.learner_id, b.rule_id
  FROM (SELECT learner_id, rule_id, bit_or(bit) AS bits FROM ({hits}) h GROUP BY learner_id, rule_id) b
  JOIN rule r ON r.id = b.rule_id AND rule_holds(r.match, b.bits, r.negative_mask, r.full_mask)
 WHERE NOT EXISTS (SELECT 1 FROM learner l WHERE l.id = b.learner_id AND NOT l.is_active)
"""

#: Hits of the pairs (learner_id, rule_id) in `pair`, out of the facts in `known_fact`; a pair without a hit has bit 0.
HITS_OF_PAIRS = """
SELECT p.learner_id, p.rule_id, CASE WHEN f.learner_id IS NULL THEN 0 ELSE a.bit END AS bit
  FROM pair p JOIN rule_atom a ON a.rule_id = p.rule_id
  LEFT JOIN known_fact f ON f.learner_id = p.learner_id AND f.kind = a.kind AND f.key = a.key AND f.value = a.value
"""


#: Hits of learners `$2` with every rule of tenant `$1`, out of the facts in `known_fact`.
HITS_OF_LEARNERS = """
SELECT f.learner_id, a.rule_id, a.bit FROM known_fact f
  JOIN rule_atom a ON a.tenant_id = $1 AND a.kind = f.kind AND a.key = f.key AND a.value = f.value
UNION ALL
SELECT l.id, r.id, 0 FROM unnest($2::bigint[]) AS l (id) CROSS JOIN rule r
 WHERE r.tenant_id = $1 AND r.is_met_by_default AND r.state <> 'DELETED'
"""


def hits_of_rules(rules: str, *, tenant: str = "$1", after: str | None = None, until: str | None = None) -> str:
    """Return the hits of the rules that `rules` selects, of the whole tenant or of learner IDs after … until.

    Every atom walks the index of its fact. Who meets a rule without any fact has no hit, so rules that are met by
    default take everybody with bit 0.
    """
    ids = (f" AND {{id}} > {after}" if after else "") + (f" AND {{id}} <= {until}" if until else "")
    return f"""
SELECT f.learner_id, a.rule_id, a.bit
  FROM rule_atom a CROSS JOIN LATERAL (
    SELECT fact.learner_id FROM fact
     WHERE fact.tenant_id = {tenant} AND fact.kind = a.kind AND fact.key = a.key AND fact.value = a.value
           {ids.format(id="fact.learner_id")}) f
 WHERE a.rule_id IN ({rules})
UNION ALL
SELECT l.id, r.id, 0 FROM rule r CROSS JOIN learner l
 WHERE r.id IN ({rules}) AND r.is_met_by_default AND l.tenant_id = {tenant} {ids.format(id="l.id")}
"""


def matching(hits: str) -> str:
    """Return the matching query for these hits."""
    return _MATCH.format(hits=hits)


def unsaved_rule(compiled: CompiledRule, *, first: int) -> tuple[str, tuple[object, ...]]:
    """Return `rule` and `rule_atom` (rule 0) as common table expressions, with arguments numbered from `$first`.

    Not materialized, so that a plan made for the arguments sees masks and values.
    """
    sql = f"""
rule AS NOT MATERIALIZED (
  SELECT 0::bigint AS id, ${first}::text AS match, ${first + 1}::bigint AS negative_mask,
         ${first + 2}::bigint AS full_mask, ${first + 3}::boolean AS is_met_by_default),
rule_atom AS NOT MATERIALIZED (
  SELECT 0::bigint AS rule_id, kind COLLATE "C" AS kind, key, value COLLATE "C" AS value, bit
    FROM unnest(${first + 4}::text[], ${first + 5}::bigint[], ${first + 6}::text[], ${first + 7}::bigint[])
      AS t (kind, key, value, bit))"""
    return sql, (
        compiled.match.value,
        compiled.negative_mask,
        compiled.full_mask,
        compiled.is_met_by_default,
        [atom.fact.kind.value for atom in compiled.atoms],
        [atom.fact.key for atom in compiled.atoms],
        [atom.fact.value for atom in compiled.atoms],
        [atom.bit for atom in compiled.atoms],
    )
