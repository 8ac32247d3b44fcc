"""How much is measured: `small` takes a minute and tells whether something broke, `full` is what goals are about."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of one size."""

    name: str
    #: Tenants of `evaluation` have these numbers of rules and this number of learners each.
    rule_counts: tuple[int, ...]
    learners_per_tenant: int
    #: Changes measured per tenant, after a tenth as many that warm up.
    changes: int
    #: Requests of `mutation` per number of connections.
    requests: int
    #: Different documents sent to one process.
    documents: int
    backfill_learners: int
    imported_learners: int
    previewed_learners: int
    #: Learners of the tenant; three in ten lose what a rule gave.
    revoked_learners: int
    reevaluated_learners: int
    most_reevaluated_rules: int
    #: Learners in the audience of one bulk assignment: everybody in the tenant.
    assigned_learners: int
    overview_tasks: int
    #: Learners whose reminders are due at the same moment.
    reminded_learners: int
    #: Streams of one web process, one connection each.
    subscriber_counts: tuple[int, ...]
    #: Changes whose way to every subscriber is measured.
    pushes: int
    #: Seconds of changes without a pause.
    push_seconds: float


SIZES = {
    "small": Size(
        name="small",
        rule_counts=(50, 500, 5_000),
        learners_per_tenant=3_000,
        changes=200,
        requests=400,
        documents=3_000,
        backfill_learners=20_000,
        imported_learners=2_000,
        previewed_learners=50_000,
        revoked_learners=20_000,
        reevaluated_learners=3_000,
        most_reevaluated_rules=5_000,
        assigned_learners=5_000,
        overview_tasks=20_000,
        reminded_learners=2_000,
        subscriber_counts=(1, 100, 500),
        pushes=20,
        push_seconds=2.0,
    ),
    "full": Size(
        name="full",
        rule_counts=(50, 500, 5_000, 50_000),
        learners_per_tenant=20_000,
        changes=800,
        requests=1_600,
        documents=10_000,
        backfill_learners=1_000_000,
        imported_learners=20_000,
        previewed_learners=1_000_000,
        revoked_learners=400_000,
        reevaluated_learners=100_000,
        most_reevaluated_rules=5_000,
        assigned_learners=100_000,
        overview_tasks=1_000_000,
        reminded_learners=60_000,
        subscriber_counts=(1, 100, 1_000, 5_000),
        pushes=60,
        push_seconds=10.0,
    ),
}
