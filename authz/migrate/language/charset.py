"""Sets of characters as integers: bit N stands for the character with that code.

Only what a request path can hold is ever in one: printable ASCII, less `?` and `#`, which end the path.
"""

from functools import lru_cache
from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits, hexdigits

Charset = int


def of(characters: str) -> Charset:
    """All of these that a path can hold."""
    mask = 0
    for character in characters:
        mask |= 1 << ord(character)
    return mask & ALL


def span(low: str, high: str) -> Charset:
    """From one to another, both included. Both are ASCII."""
    return ((1 << ord(high) + 1) - (1 << ord(low))) & ALL


ALL: Charset = ((1 << 0x7F) - (1 << 0x21)) & ~(1 << ord("?") | 1 << ord("#"))
SLASH: Charset = of("/")
DIGIT: Charset = of(digits)
WORD: Charset = of(ascii_letters + digits + "_")
LETTER: Charset = of(ascii_letters)

# Perl's, as RE2 and regexp2 read them of ASCII. No white space can stand in a path.
ESCAPED = {"d": DIGIT, "D": ALL & ~DIGIT, "w": WORD, "W": ALL & ~WORD, "s": 0, "S": ALL}
POSIX = {
    "alnum": of(ascii_letters + digits),
    "alpha": LETTER,
    "digit": DIGIT,
    "lower": of(ascii_lowercase),
    "upper": of(ascii_uppercase),
    "xdigit": of(hexdigits),
    "punct": ALL & ~of(ascii_letters + digits),
    "word": WORD,
}

# What a reader finds plain comes first.
_PLAIN = ascii_lowercase + digits + ascii_uppercase + "-_./"
PREFERRED = _PLAIN + "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in _PLAIN)


@lru_cache(1_024)
def characters(mask: Charset) -> str:
    """All of them, the plain ones first."""
    return "".join(character for character in PREFERRED if mask >> ord(character) & 1)


@lru_cache(1_024)
def plainness(mask: Charset) -> int:
    """Where in PREFERRED the plainest of them stands. The set is not empty."""
    return PREFERRED.index(characters(mask)[0])


def folded(mask: Charset) -> Charset:
    """These in either case."""
    upper, lower = of(ascii_uppercase), of(ascii_lowercase)
    return mask | (mask & upper) << 32 | (mask & lower) >> 32
