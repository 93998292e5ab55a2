"""What things cost, as ratios taken in one run on one machine.

`python -m benchmarks` measures and writes the report; nothing here is imported by `authz`.
"""
