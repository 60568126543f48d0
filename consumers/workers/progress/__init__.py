"""How far others have come, for workers that must wait for them."""
