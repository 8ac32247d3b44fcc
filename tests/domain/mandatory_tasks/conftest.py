"""A company in which an administrator assigns a course."""

import pytest

from domain.content.models import Content
from tests.scenarios.conftest import assigning, company
from tests.support.company import Company

__all__ = ["assigning", "company"]


@pytest.fixture
async def course(company: Company) -> Content:
    """A course of four lessons."""
    return await company.course("A", lesson_count=4)
