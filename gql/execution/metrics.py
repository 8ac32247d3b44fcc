"""What the API counts, for Prometheus. Labels are bounded, whatever clients send, and name no tenant and no account."""

from prometheus_client import Counter, Gauge, Histogram

#: Names of operations that are told apart; they are chosen by clients, so there could be any number of them.
MAX_NAMES = 100
MAX_NAME_LENGTH = 60
OTHER, ANONYMOUS, NONE = "other", "anonymous", "none"

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

OPERATIONS = Counter(
    "mandate_operations", "Operations by name, kind, and the code of their first error.", ["operation", "type", "code"]
)
OPERATION_SECONDS = Histogram(
    "mandate_operation_seconds", "Operations, from parsing to the result.", ["operation", "type"], buckets=_SECONDS
)
HTTP_REQUESTS = Counter("mandate_http_requests", "Requests by route and status.", ["route", "status"])
RATE_LIMITED_OPERATIONS = Counter("mandate_rate_limited", "Requests of accounts that had used up their points.")
RATE_LIMIT_FALLBACK = Gauge(
    "mandate_rate_limit_fallback", "1 while limits are kept in the memory of this process, not in Redis."
)
SUBSCRIBERS = Gauge("mandate_subscribers", "Open subscriptions by root field.", ["subscription"])
STREAM_CONNECTIONS = Gauge("mandate_stream_connections", "Open WebSockets and event streams.")

_known_names: set[str] = set()


def operation_label(name: str | None) -> str:
    """Return the label of an operation's name: itself for the first hundred names, "other" for more."""
    if not name:
        return ANONYMOUS
    if name not in _known_names:
        if len(_known_names) >= MAX_NAMES or len(name) > MAX_NAME_LENGTH:
            return OTHER
        _known_names.add(name)
    return name
