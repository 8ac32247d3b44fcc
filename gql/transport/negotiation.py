"""Which media type a body has and which one its answer gets, by headers that clients write in many ways."""

import codecs
import re

from starlette.requests import Request
from starlette.websockets import WebSocket

from gql.transport.sse import EVENT_STREAM

GRAPHQL_JSON = "application/graphql-response+json"
JSON = "application/json"


#: Parts of a header between separators that are not inside of quotation marks.
_PARTS = {separator: re.compile(rf'(?:[^{separator}"]|"(?:[^"\\]|\\.)*"?)+') for separator in ",;"}
_WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?", re.ASCII)

_OFFERED = {
    GRAPHQL_JSON: GRAPHQL_JSON,
    "application/*": GRAPHQL_JSON,
    JSON: JSON,
    "*/*": JSON,
    EVENT_STREAM: EVENT_STREAM,
    "text/*": EVENT_STREAM,
}


def preferred_type(accept: str) -> str:
    """Return the media type that the client prefers, by weight and then by place in the `Accept` header."""
    return max(accepted(accept), key=lambda offer: offer[1], default=(JSON, 0.0))[0]


def media_type(accept: str) -> str:
    """Return the media type of an answer that is one JSON document."""
    offers = [offer for offer in accepted(accept) if offer[0] != EVENT_STREAM]
    return max(offers, key=lambda offer: offer[1], default=(JSON, 0.0))[0]


def accepted(accept: str) -> list[tuple[str, float]]:
    """Return the media types of ours that a header names, with their weights, in its order."""
    offers = []
    for part in _PARTS[","].findall(accept):
        name, parameters = parse_header(part)
        weight_given = parameters.get("q", "1")
        weight = float(weight_given) if _WEIGHT.fullmatch(weight_given) else 0.0
        offered = _OFFERED.get(name)
        if offered is not None and weight > 0:
            offers.append((offered, weight))
    return offers


def parse_header(value: str) -> tuple[str, dict[str, str]]:
    """Return what a header names, and its parameters, in small letters; of those given twice the first ones."""
    name, *parts = _PARTS[";"].findall(value) or [""]
    parameters: dict[str, str] = {}
    for part in parts:
        key, _, given = part.partition("=")
        parameters.setdefault(key.strip().lower(), given.strip().strip('"').lower())
    return name.strip().lower(), parameters


def accepted_by(request: Request | WebSocket) -> str | None:
    """Return what a client accepts: the header may come in several lines. None where it does not say."""
    lines = request.headers.getlist("accept")
    return ", ".join(lines) if lines else None


def is_json_in_utf8(request: Request) -> bool:
    """Tell whether a body is said to be JSON, and in no other charset."""
    lines = request.headers.getlist("content-type")
    return bool(lines) and all(_names_json_in_utf8(line) for line in lines)


def _names_json_in_utf8(content_type: str) -> bool:
    name, parameters = parse_header(content_type)
    charset = parameters.get("charset", "")
    try:
        return name == JSON and (not charset or codecs.lookup(charset).name == "utf-8")
    except LookupError:
        return False
