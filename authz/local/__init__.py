"""The whole thing on one laptop: real Envoys, a development identity provider, an echo workload.

Only the command line may import this; nothing here is meant for a cluster.
"""
