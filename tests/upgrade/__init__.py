"""Upgrades an installation under load, from an earlier version of the product to this one."""
