"""Oathkeeper's pipeline, one handler after the other: who may pass, what is added, what is answered."""
