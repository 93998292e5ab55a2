"""The controller on a real API server: how long it takes, against the same writes without it.

`make bench-controller` runs it and writes docs/benchmarks-controller.md. Ratios are of one run.
"""
