"""A development identity provider: OpenID Connect over authlib, on loopback, with everything in memory.

Its passwords are in its source and its login page asks for none: it may never leave the laptop.
"""
