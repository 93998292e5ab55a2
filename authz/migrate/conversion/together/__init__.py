"""Rules of one host beside each other: which decides about a request, before and now."""
