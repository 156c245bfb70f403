"""The address of a model server.

Rule: an address that holds a secret is refused without being shown.
"""

from __future__ import annotations

from urllib.parse import urlsplit


def server_address(url: str) -> str:
    """`url` without a slash or "/v1" at its end; raises ValueError, in one line, for what is no address."""
    bare = url.strip().rstrip("/").removesuffix("/v1").rstrip("/")
    try:
        parts = urlsplit(bare)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or not bare.isprintable() or " " in bare:
        raise ValueError("the url of a model server should be like http://host:port")
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "the url of a model server holds a name or password; take it out and set GROUNDLING_MODEL_KEY"
        )
    return bare


def stays_here(url: str) -> bool:
    """Whether what is sent to `url` does not leave this machine, told by the host's name or number."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
