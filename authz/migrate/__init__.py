"""From ORY to here: old rules are read, converted, proven against the old world, and switched stage by stage.

Whatever an old rule says ends in a row of the report; a cluster is touched by `controller.api` alone.
"""
