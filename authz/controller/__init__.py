"""From APIRules in a cluster to Istio's objects in it, kept so, and told to their authors.

Reads, plans, applies and reports; what an APIRule becomes is decided in `istio`, never here.
"""
