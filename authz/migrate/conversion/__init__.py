"""Old rules become APIRules, authorizers and a report: `convert` is the line, each file here a step of it.

By itself each rule is judged: its paths, hosts and fields, and its handlers one by one (`pipeline/`).
Then what becomes one APIRule is put together, and it is looked at what its rules mean beside each other
(`together/`). What passes between the steps is in `model/`.
"""
