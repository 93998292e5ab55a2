"""Whom we ask: key sets, discovery documents, later introspection and sessions.

Asynchronous, bounded, cached. A source answers or raises `Unavailable`; it never decides.
"""
