"""Whom we ask: key sets and discovery documents.

Asynchronous, bounded, cached. A source answers or raises `Unavailable`; it never decides.
"""

from authz.sources.fetched import Refresh
from authz.sources.registry import Sources, Status

__all__ = ["Refresh", "Sources", "Status"]
