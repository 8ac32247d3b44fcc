"""What a process has counted, for Prometheus to read: an address of its own, which is not for the world."""

from prometheus_client import start_http_server

from domain.foundation.settings import Settings
from ops.failures import CommandFailed


def serve_metrics(settings: Settings) -> None:
    """Serve `/metrics` in a thread of this process until it ends, where there is a port. Raises CommandFailed."""
    if not settings.metrics_port:
        return
    try:
        start_http_server(settings.metrics_port, settings.metrics_address)
    except OSError as error:
        place = f"{settings.metrics_address}:{settings.metrics_port}"
        raise CommandFailed(f"METRICS_PORT: {place} cannot be used ({error.strerror or error}).") from error
