"""APIRules are taken from Oathkeeper to their workloads step by step, and back; `journey` goes."""
