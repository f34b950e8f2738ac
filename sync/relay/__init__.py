"""A relay for boxes behind NAT: keeps raw webhooks until their box has pulled them."""
