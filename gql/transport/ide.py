"""The page that a browser gets at `/graphql`: one file, nothing loaded from anywhere else."""

import base64
import hashlib
import re
from pathlib import Path

IDE_PAGE = Path(__file__).with_name("ide.html").read_text(encoding="utf-8")


def _hashes(tag: str) -> str:
    """Return what a content security policy calls the page's own inline elements."""
    bodies = re.findall(rf"<{tag}>(.*?)</{tag}>", IDE_PAGE, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for body in bodies)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


IDE_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; connect-src 'self'; script-src {_hashes('script')}; "
    f"style-src {_hashes('style')}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Vary": "Accept",
}
