"""What a process says about itself to Prometheus, as numbers by name and labels."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parse_metrics(text: str) -> Samples:
    """Return each sample of an exposition."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(port: int) -> Samples:
    """Return what a process serves on loopback."""
    response = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5)
    assert response.status_code == 200
    return parse_metrics(response.text)


def sample(samples: Samples, name: str, **labels: str) -> float:
    """Return one value; a counter that has not counted yet is 0."""
    return samples.get((name, tuple(sorted(labels.items()))), 0.0)
