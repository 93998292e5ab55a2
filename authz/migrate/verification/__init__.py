"""Oathkeeper and the new rules are asked the same; `verify` finds the reason of every difference."""
