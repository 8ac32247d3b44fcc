"""Accounts that act: people and service accounts, behind one interface."""

from typing import Any

from domain.tenants.queries import load_service_accounts_by_id
from gql.contract.interfaces import Actor
from gql.execution.context import Info
from gql.execution.related import Related
from gql.tenants.types import ServiceAccount


async def load_actor(info: Info, learner_id: int | None, service_account_id: int | None) -> Actor | None:
    """Return the account that did something, in the form that the viewer may see; None for the system."""
    if learner_id is not None:
        from gql.people.types import Learner

        return await Learner.load(info, learner_id)
    if service_account_id is not None:
        return await ServiceAccount.load(info, service_account_id)
    return None


def related_actor(learner_id: int | None, service_account_id: int | None) -> Related[Any]:
    """Lead to the account that did something, as `load_actor` finds it."""
    if learner_id is not None:
        from gql.people.types import related_learner

        return related_learner(learner_id)
    return Related(load_service_accounts_by_id, service_account_id, ServiceAccount.from_row)
