"""Signing in at an OpenID provider: the client's half of OpenID Connect, and which level claims give a person."""
