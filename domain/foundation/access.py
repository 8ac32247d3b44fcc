"""Who is asking. Rights are checked in the domain, on the principal, so that no entry point can forget them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.foundation.errors import Forbidden


class Role(StrEnum):
    """Roles of people, from least to most rights."""

    LEARNER = "LEARNER"
    TRAINER = "TRAINER"
    ADMIN = "ADMIN"


class Scope(StrEnum):
    """What a service account may do."""

    READ = "READ"
    WRITE_LEARNERS = "WRITE_LEARNERS"
    WRITE_CONTENT = "WRITE_CONTENT"
    WRITE_ENROLLMENTS = "WRITE_ENROLLMENTS"
    WRITE_MANDATORY_TASKS = "WRITE_MANDATORY_TASKS"
    WRITE_RULES = "WRITE_RULES"


class Source(StrEnum):
    """Causes of log entries and reasons of enrollments (`ContentActionSource`)."""

    AUTO_ENROLLMENT = "AUTO_ENROLLMENT"
    AUTO_UNENROLLMENT = "AUTO_UNENROLLMENT"
    MANDATORY_TASK = "MANDATORY_TASK"
    MANAGER = "MANAGER"
    LEARNER = "LEARNER"
    PURCHASE = "PURCHASE"
    INTEGRATION = "INTEGRATION"
    IMPORT = "IMPORT"
    LEARNING_PATH = "LEARNING_PATH"
    SYSTEM = "SYSTEM"


@dataclass(frozen=True, slots=True)
class Principal:
    """Account that acts in one tenant: a person, a service account, or the operator's command (neither)."""

    tenant_id: int
    learner_id: int | None = None
    service_account_id: int | None = None
    role: Role | None = None
    scopes: frozenset[Scope] = field(default_factory=frozenset)
    is_operator: bool = False
    expires_at: datetime | None = None

    @classmethod
    def operator(cls, tenant_id: int) -> "Principal":
        """Return the principal of the operator's commands and of work that nobody asked for."""
        return cls(tenant_id=tenant_id, is_operator=True)

    @property
    def is_person(self) -> bool:
        """Whether the account is a person."""
        return self.learner_id is not None

    @property
    def sees_all(self) -> bool:
        """Whether the account reads the whole tenant: admins, READ, the operator."""
        return self.is_operator or self.role is Role.ADMIN or Scope.READ in self.scopes

    @property
    def is_trainer(self) -> bool:
        """Whether the account is a trainer: sees the directory and what they train."""
        return self.role is Role.TRAINER

    def may_write(self, scope: Scope) -> bool:
        """Tell whether the account writes this part of the whole tenant."""
        return self.is_operator or self.role is Role.ADMIN or scope in self.scopes

    def require_write(self, scope: Scope) -> None:
        """Raise Forbidden unless the account writes this part of the whole tenant."""
        if not self.may_write(scope):
            raise Forbidden

    def require_reading_all(self) -> None:
        """Raise Forbidden unless the account reads the whole tenant."""
        if not self.sees_all:
            raise Forbidden

    @property
    def source(self) -> Source:
        """Source of what the account does by hand to others (spec 2.11)."""
        if self.is_operator:
            return Source.IMPORT
        return Source.INTEGRATION if self.service_account_id is not None else Source.MANAGER
