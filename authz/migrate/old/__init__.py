"""The old world read: whatever was written becomes one normal form, `rule`."""
