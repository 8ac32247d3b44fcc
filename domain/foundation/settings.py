"""Settings of a process, read from the environment once.

`DATABASE_URL` is the application's role, which row level security binds; `OWNER_DATABASE_URL` is the role that owns the
tables and is needed by `mandate migrate` alone.
"""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MIN_SECRET_BYTES = 32
#: What secrets begin with that `mandate up` makes for itself: they lie about on the disks of developers.
DEVELOPMENT_SECRET = "development-"
#: A secret of fewer different characters was typed, not drawn.
MIN_SECRET_VARIETY = 10


class BadSettings(ValueError):
    """The settings do not allow a safe start."""


class Settings(BaseSettings):
    """Everything that an operator can set."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")

    environment: Literal["production", "development"] = "production"
    database_url: SecretStr = Field(default=SecretStr(""), description="PostgreSQL as the application's role.")
    owner_database_url: SecretStr = Field(default=SecretStr(""), description="PostgreSQL as the owner of the tables.")
    database_pool_size: int = Field(default=10, ge=2, le=200)
    redis_url: SecretStr = Field(default=SecretStr(""), description="Redis or Valkey: nudges and the job queue.")
    secret_key: SecretStr = Field(default=SecretStr(""), description="Secret that signs tokens, 32 bytes or more.")
    token_issuer: str | None = None
    token_audience: str | None = None
    public_url: str = Field(default="http://127.0.0.1:8000", description="Where people reach the platform.")
    smtp_url: SecretStr = Field(default=SecretStr(""), description="smtp://user:password@host:port or smtps://…")
    smtp_timeout: float = Field(default=10.0, gt=0, le=60, description="Seconds that the mail server has to answer.")
    mail_from: str | None = Field(
        default=None, description='Sender of emails, as in "Academy <no-reply@acme.example>".'
    )
    mail_directory: Path | None = Field(default=None, description="Maildir that keeps emails instead of sending them.")
    keep_changes_days: int = Field(
        default=7, ge=1, description="Days after which a stream that was away has to start over."
    )
    keep_read_notifications_days: int = Field(default=0, ge=0, description="Days since they were read; 0 for ever.")
    keep_emails_days: int = Field(
        default=0,
        ge=0,
        description="Days for which the ledger of reminders tells what became of each email; 0 for ever.",
    )
    keep_audit_entries_days: int = Field(default=0, ge=0, description="0 for ever.")
    keep_finished_jobs_days: int = Field(
        default=0, ge=0, description="Days since they succeeded or were cancelled; 0 for ever."
    )
    allowed_origins: list[str] = []
    is_ide_enabled: bool = True
    is_introspection_enabled: bool = True

    def require_proper_secret(self) -> None:
        """Raise BadSettings unless tokens can be signed and trusted."""
        secret = self.secret_key.get_secret_value()
        if len(secret.encode()) < MIN_SECRET_BYTES:
            raise BadSettings(f"SECRET_KEY is missing or shorter than {MIN_SECRET_BYTES} bytes.")
        if self.environment == "production":
            if secret.startswith(DEVELOPMENT_SECRET):
                raise BadSettings("SECRET_KEY is a development secret, made by `mandate up`: production needs its own.")
            if len(set(secret)) < MIN_SECRET_VARIETY:
                raise BadSettings("SECRET_KEY can be guessed: use random bytes, as from `openssl rand -base64 48`.")


@cache
def settings() -> Settings:
    """Return the settings of this process."""
    return Settings()
