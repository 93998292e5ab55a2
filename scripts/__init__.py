"""Chores: short programs for those who work on the product, one each."""
