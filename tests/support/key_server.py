"""An address that publishes signing keys, as an identity provider has: a real server, whose answer can be changed."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Somebody's key to sign with."""

    kid: str | None
    algorithm: str
    private: Any

    @classmethod
    def rsa(cls, kid: str | None, *, bits: int = 2048) -> "KeyPair":
        """Return an RSA key; making one takes long, so equal names are equal keys."""
        return cls(kid, "RS256", _rsa_key(kid, bits))

    @classmethod
    def ec(cls, kid: str | None, *, curve: ec.EllipticCurve | None = None) -> "KeyPair":
        """Return a key on a curve."""
        return cls(kid, "ES256", ec.generate_private_key(curve or ec.SECP256R1()))

    def public(self, **more: Any) -> dict[str, Any]:
        """Return the key as it is published; None leaves something out."""
        writer: Any = RSAAlgorithm if self.algorithm == "RS256" else ECAlgorithm
        entry = writer.to_jwk(self.private.public_key(), as_dict=True)
        entry.pop("key_ops", None)
        entry |= {"kid": self.kid, "use": "sig", "alg": self.algorithm, **more}
        return {name: value for name, value in entry.items() if value is not None}

    def sign(self, claims: dict[str, Any], *, algorithm: str | None = None, headers: Any = None) -> str:
        """Return a token."""
        named = {} if self.kid is None else {"kid": self.kid}
        return jwt.encode(claims, self.private, algorithm or self.algorithm, headers=named | (headers or {}))


@cache
def _rsa_key(kid: str | None, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@dataclass(slots=True)
class KeyServer:
    """What is served, and how."""

    url: str = ""
    content: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    #: Seconds before the answer begins, and between its bytes.
    delay: float = 0.0
    drip: float = 0.0
    request_count: int = 0

    def publish(self, *keys: KeyPair | dict[str, Any]) -> None:
        """Serve these keys from now on."""
        entries = [key.public() if isinstance(key, KeyPair) else key for key in keys]
        self.content = json.dumps({"keys": entries}).encode()


@contextmanager
def key_server() -> Iterator[KeyServer]:
    """Serve on loopback until the end."""
    served = KeyServer()
    is_over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.request_count += 1
            is_over.wait(served.delay)
            self.send_response(served.status)
            for name, value in served.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                if not served.drip:
                    self.wfile.write(served.content)
                for byte in served.content if served.drip else b"":
                    self.wfile.write(bytes([byte]))
                    time.sleep(served.drip)
            except OSError:
                return

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/keys"
    try:
        yield served
    finally:
        is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()
