"""Rescue: what rules do about customers who were left alone, when nobody watches. When a rule fits, what it does, and
what it would have done."""
