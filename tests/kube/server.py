"""The API server that tests run on, by its names."""

from authz.local.apiserver import ApiServer, Refused
from authz.local.definitions import Document, custom_resources, path

__all__ = ["ApiServer", "Document", "Refused", "custom_resources", "path"]
