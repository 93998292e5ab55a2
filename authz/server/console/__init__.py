"""The console: what the authorizer decides, for a person at a browser. No build step, nothing is loaded.

It shows names and reasons, never a credential; unless told otherwise it answers callers on its own machine
alone, which those behind `kubectl port-forward` are.
"""
