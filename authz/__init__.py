"""The access layer of an Istio gateway.

Two straight lines run through this package. The authorizer answers Envoy's question about one
request (`check.py`); the translation turns an APIRule into Istio resources (`istio/translate.py`).
"""

__version__ = "0.1.0"
