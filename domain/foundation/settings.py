"""Settings of a process, read from the environment once.

`DATABASE_URL` is the application's role, which row level security binds; `OWNER_DATABASE_URL` is the role that owns the
tables and is needed by `mandate migrate` alone.
"""

from functools import cache
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    public_url: str = "http://127.0.0.1:8000"
    allowed_origins: list[str] = []
    is_ide_enabled: bool = True
    is_introspection_enabled: bool = True


@cache
def settings() -> Settings:
    """Return the settings of this process."""
    return Settings()
