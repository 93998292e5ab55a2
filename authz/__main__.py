"""`python -m authz`: the same as the console script."""

from authz.cli import main

main()
