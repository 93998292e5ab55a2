"""Old path patterns made into path templates of APIRule v2, and held against them."""
