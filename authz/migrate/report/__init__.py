"""What became of each old rule: the rows of a report, and what may be shown in it."""
