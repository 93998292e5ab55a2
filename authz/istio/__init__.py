"""From an APIRule to Istio resources and to the authorizer's policy.

Pure: values in, values out. No cluster is read, no name is random, no clock is asked.
"""
