"""The process `retention`: carries out erasures, and removes what is older than its number keeps it."""
