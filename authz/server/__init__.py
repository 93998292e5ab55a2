"""Bytes and sockets: Envoy's messages, transports, the admin port, telemetry, and putting it together.

Nothing here may hold a rule about who may pass.
"""
