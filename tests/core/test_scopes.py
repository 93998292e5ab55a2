"""Scopes that grant others: as ORY's fosite has it, whose answers these tables repeat."""

import pytest

from authz.core import scopes


@pytest.mark.parametrize(
    ("having", "wanted", "strategies"),
    [
        ("shop.read", "shop.read", "exact hierarchic wildcard"),
        ("shop", "shop.read", "hierarchic"),
        ("shop", "shop.read.all", "hierarchic"),
        ("shop.read", "shop", ""),
        ("shop", "shopping", ""),
        ("shop.re", "shop.read", ""),
        ("shop.write", "shop.read", ""),
        ("shop.*", "shop.read", "wildcard"),
        ("shop.*", "shop.read.all", "wildcard"),
        ("shop.*", "shop", ""),
        ("shop.*", "shop.", ""),
        ("*", "shop", "wildcard"),
        ("*", "shop.read.all", "wildcard"),
        ("*.read", "shop.read", "wildcard"),
        ("*.read", "shop.write", ""),
        ("*.read", "shop.read.all", ""),
        ("shop.*.read", "shop.cart.read", "wildcard"),
        ("shop.*.read", "shop.cart.write", ""),
        ("sh*", "shop", ""),
        ("", "shop", ""),
        ("a b", "a b", "exact hierarchic wildcard"),
    ],
)
def test_each_strategy_grants_what_oathkeeper_granted(having, wanted, strategies):
    asked = frozenset({wanted})
    granting = [
        one for one in ("exact", "hierarchic", "wildcard") if scopes.grant(frozenset({having}), asked, one)
    ]
    assert granting == strategies.split()


def test_all_that_are_wanted_have_to_be_granted_each_by_any():
    having = frozenset({"shop.*", "cart.read"})
    assert scopes.grant(having, frozenset({"shop.read", "cart.read"}), "wildcard")
    assert not scopes.grant(having, frozenset({"shop.read", "cart.write"}), "wildcard")
