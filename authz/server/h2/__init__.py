"""Unary gRPC over HTTP/2, as a server: the transport in which a Check costs about what it does.

All but `protocol` and `server` is sans-IO: bytes in, events and bytes out, and `now` is a parameter.
"""
