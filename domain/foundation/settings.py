"""Settings of a process, read from the environment once.

`DATABASE_URL` is the application's role, which row level security binds; `OWNER_DATABASE_URL` is the role that owns the
tables and is needed by `mandate migrate` alone.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from domain.foundation.addresses import with_ascii_host
from domain.foundation.signing_secret import find_weakness

ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+", re.ASCII)
#: Pages that are served by this machine, whatever the port: of those who develop a front end.
LOCAL_ORIGINS = ("http://localhost:*", "http://127.0.0.1:*")
#: Headers that a page has to be able to send, and those that are usual besides: of tracing, of GraphQL clients, and of
#: event streams.
NEEDED_HEADERS = ("authorization", "content-type", "x-request-id")
USUAL_HEADERS = (
    *("traceparent", "tracestate", "baggage", "sentry-trace"),
    *("apollographql-client-name", "apollographql-client-version", "apollo-require-preflight"),
    *("cache-control", "last-event-id"),
)
_HEADER_NAME = re.compile(r"[a-z0-9-]+", re.ASCII)
#: What stands in `TASK_URL` in place of a task's ID.
TASK_PLACEHOLDER = "{id}"
#: Characters of `TASK_URL`: with an ID instead of the placeholder it still fits into the variable of emails.
MAX_TASK_URL = 450
#: Hosts that are this machine: nobody is between.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
#: A hundred years: what was before them is in no calendar that anybody keeps.
MAX_DAYS_KEPT = 36_525


class BadSettings(ValueError):
    """The settings do not allow a safe start."""


class TokenIssuer(BaseModel):
    """An identity provider that may sign tokens, and for whom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str | None = Field(min_length=1, description="What `iss` of its tokens is.")
    jwks_url: str = Field(description="Where its keys are.")
    audience: str | None = Field(min_length=1, description="What `aud` has to hold: tokens for others are none for us.")
    tenants: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Slugs of the tenants for whose people it speaks; all when left out."
    )
    tenant_claim: str | None = Field(default=None, min_length=1, description="Instead of TOKEN_TENANT_CLAIM.")
    email_claim: str | None = Field(default=None, min_length=1, description="Instead of TOKEN_EMAIL_CLAIM.")

    _with_ascii_host = field_validator("jwks_url")(with_ascii_host)


class Settings(BaseSettings):
    """Everything that an operator can set."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")

    environment: Literal["production", "development"] = "production"
    database_url: SecretStr = Field(default=SecretStr(""), description="PostgreSQL as the application's role.")
    owner_database_url: SecretStr = Field(default=SecretStr(""), description="PostgreSQL as the owner of the tables.")
    database_pool_size: int = Field(default=10, ge=2, le=200)
    are_statements_kept: bool | None = Field(
        default=None,
        description="Whether statements stay prepared on connections; left out: unless a pooler is before PostgreSQL.",
    )
    redis_url: SecretStr = Field(
        default=SecretStr(""), description="Redis or Valkey: nudges, limits, and the queue unless BROKER_URL is set."
    )
    broker_url: SecretStr = Field(
        default=SecretStr(""), description="Queue of jobs and emails: redis, rediss, unix, amqp or amqps."
    )
    secret_key: SecretStr = Field(default=SecretStr(""), description="Secret that signs tokens, 32 bytes or more.")
    jwks_url: str | None = Field(
        default=None, description="Where the keys are that sign tokens (RS256, ES256). Replaces SECRET_KEY."
    )
    token_issuer: str | None = Field(default=None, description="What `iss` of tokens has to be.")
    token_audience: str | None = Field(default=None, description="What `aud` of tokens has to hold.")
    token_issuers: list[TokenIssuer] = Field(
        default=[], description="Several identity providers, as JSON; replaces the three settings above."
    )
    token_tenant_claim: str = Field(default="tenant", min_length=1, description="Claim with the slug of the tenant.")
    token_email_claim: str = Field(default="email", min_length=1, description="Claim with the person's email address.")
    public_url: str = Field(default="http://127.0.0.1:8000", description="Where this service is reached.")
    task_url: str | None = Field(
        default=None, description="Page of a task, with {id} in place of its ID: where links in emails lead."
    )
    smtp_url: SecretStr = Field(default=SecretStr(""), description="smtp://user:password@host:port or smtps://…")
    smtp_timeout: float = Field(default=10.0, gt=0, le=60, description="Seconds that the mail server has to answer.")
    mail_from: str | None = Field(
        default=None, description='Sender of emails, as in "Academy <no-reply@acme.example>".'
    )
    mail_directory: Path | None = Field(default=None, description="Maildir that keeps emails instead of sending them.")
    cost_per_minute: int = Field(default=30_000, ge=1, description="Points that an account may use up in a minute.")
    streams_per_connection: int = Field(default=20, ge=1, description="Streams at once on one WebSocket.")
    connections_per_account: int = Field(default=10, ge=1, description="Connections with streams, in one process.")
    connections_per_tenant: int = Field(default=20_000, ge=1, description="Connections with streams, in one process.")
    metrics_address: str = Field(default="127.0.0.1", description="Address on which a process serves its metrics.")
    metrics_port: int = Field(default=0, ge=0, le=65535, description="Port of the metrics; 0 for none.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    allowed_origins: Annotated[list[str], NoDecode] = Field(
        default=[], description="Origins of web pages that may call, separated by commas or as JSON."
    )
    allowed_headers: Annotated[list[str], NoDecode] = Field(
        default=list(USUAL_HEADERS), description="Headers that such pages may send besides those that are needed."
    )
    trusted_documents: Path | None = Field(
        default=None, description="File or folder of the only documents that may run."
    )
    drain_seconds: float = Field(
        default=5.0, ge=0, le=300, description="Seconds between SIGTERM and the end, in which /readyz says 503."
    )
    is_compilation_enabled: bool = Field(
        default=True, description="Whether selections of operations run as functions compiled from them."
    )
    keep_changes_days: int = Field(
        default=7, ge=1, le=MAX_DAYS_KEPT, description="Days after which a stream that was away has to start over."
    )
    keep_read_notifications_days: int = Field(
        default=0, ge=0, le=MAX_DAYS_KEPT, description="Days since they were read; 0 for ever."
    )
    keep_emails_days: int = Field(
        default=0,
        ge=0,
        le=MAX_DAYS_KEPT,
        description="Days for which the ledger of reminders tells what became of each email; 0 for ever.",
    )
    keep_audit_entries_days: int = Field(default=0, ge=0, le=MAX_DAYS_KEPT, description="0 for ever.")
    keep_finished_jobs_days: int = Field(
        default=0, ge=0, le=MAX_DAYS_KEPT, description="Days since they succeeded or were cancelled; 0 for ever."
    )
    is_ide_enabled: bool = True
    is_introspection_enabled: bool = True

    @field_validator("allowed_origins", "allowed_headers", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        if isinstance(value, str):
            return json.loads(value) if value.lstrip().startswith("[") else [one.strip() for one in value.split(",")]
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _exact(cls, value: list[str]) -> list[str]:
        # Browsers send scheme, host and port only; anything else would never match, or match too much.
        for origin in value:
            if origin not in LOCAL_ORIGINS and not ORIGIN.fullmatch(origin):
                raise ValueError("an origin is exactly what browsers send, such as https://lms.example")
        # They leave out the ports that go without saying.
        return [_without_usual_port(origin) for origin in value]

    @field_validator("allowed_headers")
    @classmethod
    def _names(cls, value: list[str]) -> list[str]:
        names = [name.lower() for name in value]
        if not all(_HEADER_NAME.fullmatch(name) for name in names):
            raise ValueError("names of headers, separated by commas, such as traceparent")
        return names

    @model_validator(mode="after")
    def _local_only_in_development(self) -> Self:
        if self.environment == "production" and not set(LOCAL_ORIGINS).isdisjoint(self.allowed_origins):
            raise ValueError("an origin of any port is for ENVIRONMENT=development only")
        return self

    @property
    def headers_of_pages(self) -> list[str]:
        """Headers that pages from elsewhere may send."""
        return [*NEEDED_HEADERS, *self.allowed_headers]

    @property
    def origin_pattern(self) -> str:
        """What the origins of pages that may call match; no origin matches nothing."""
        return "|".join(
            re.escape(origin.removesuffix(":*")) + r"(:\d+)?" if origin in LOCAL_ORIGINS else re.escape(origin)
            for origin in self.allowed_origins
        )

    def is_allowed_origin(self, origin: str) -> bool:
        """Tell whether pages of an origin may call."""
        return bool(self.allowed_origins) and re.fullmatch(self.origin_pattern, origin, re.ASCII) is not None

    @field_validator(
        *("database_url", "owner_database_url", "redis_url", "broker_url", "jwks_url", "public_url", "task_url"),
        "smtp_url",
        mode="before",
    )
    @classmethod
    def _with_ascii_host(cls, value: object) -> object:
        # Libraries would encode names by the older rules, and some of them are then those of others.
        return with_ascii_host(value) if isinstance(value, str) else value

    @field_validator("task_url")
    @classmethod
    def _page_of_a_task(cls, value: str | None) -> str | None:
        if value is None:
            return None
        is_address = value.isprintable() and " " not in value and re.match("https?://[^/{}]", value, re.ASCII)
        if not is_address or not value.isascii() or value.count(TASK_PLACEHOLDER) != 1 or len(value) > MAX_TASK_URL:
            raise ValueError("an address such as https://academy.example.com/tasks/{id} is expected")
        return value

    @property
    def missing_in_production(self) -> list[str]:
        """What a production should not run without, each a sentence that says what comes of it."""
        if self.environment != "production":
            return []
        missing = {
            "PUBLIC_URL is not set: addresses of calendars lead to 127.0.0.1.": "public_url" in self.model_fields_set,
            "TASK_URL is not set: emails carry no link to the task.": self.task_url is not None,
            "MAIL_FROM is not set: emails come from no-reply at the host of PUBLIC_URL.": self.mail_from is not None,
        }
        return [sentence for sentence, is_set in missing.items() if not is_set]

    @property
    def queue_url(self) -> str:
        """Where jobs and emails are handed to workers; empty where nothing is set."""
        return self.broker_url.get_secret_value() or self.redis_url.get_secret_value()

    @property
    def issuers(self) -> tuple[TokenIssuer, ...]:
        """Who signs tokens; nobody where this service does so itself."""
        if self.jwks_url:
            # Its parts have been checked as settings of their own.
            only = TokenIssuer.model_construct(
                issuer=self.token_issuer, jwks_url=self.jwks_url, audience=self.token_audience
            )
            return (only, *self.token_issuers)
        return tuple(self.token_issuers)

    def require_trusted_tokens(self) -> None:
        """Raise BadSettings unless there is a way to tell true tokens from forged ones."""
        if not self.issuers:
            self.require_proper_secret()
            return
        if self.token_issuers and (self.jwks_url or self.token_issuer or self.token_audience):
            raise BadSettings("JWKS_URL, TOKEN_ISSUER and TOKEN_AUDIENCE are said in TOKEN_ISSUERS, where it is set.")
        if any(one.issuer is None or one.audience is None for one in self.token_issuers):
            raise BadSettings("In TOKEN_ISSUERS each has an issuer and an audience.")
        name = "TOKEN_ISSUERS" if self.token_issuers else "JWKS_URL"
        for issuer in self.issuers:
            self._require_address(name, issuer.jwks_url)

    def _require_address(self, name: str, url: str) -> None:
        try:
            address = urlsplit(url)
            host, is_web = address.hostname, address.scheme in ("http", "https")
        except ValueError:
            host, is_web = None, False
        if host is None or not is_web:
            raise BadSettings(f"{name} names no address that begins with https://.")
        if self.environment == "production" and address.scheme == "http" and host not in LOOPBACK:
            raise BadSettings(
                f"An address of {name} has to begin with https://: who is on the way could change the keys."
            )

    def require_proper_secret(self) -> None:
        """Raise BadSettings unless tokens can be signed by this process, and trusted."""
        if self.issuers:
            raise BadSettings("JWKS_URL or TOKEN_ISSUERS is set: tokens are made by who has the keys, and not here.")
        weakness = find_weakness(self.secret_key.get_secret_value(), in_production=self.environment == "production")
        if weakness is not None:
            raise BadSettings(weakness)


def _without_usual_port(origin: str) -> str:
    scheme = origin.partition("://")[0]
    return origin.removesuffix(":443" if scheme == "https" else ":80")


@cache
def settings() -> Settings:
    """Return the settings of this process."""
    return Settings()
