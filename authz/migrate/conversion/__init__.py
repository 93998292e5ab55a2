"""Old rules become APIRules, authorizers and a report; `convert` is the line."""
