"""The `alarms` process: one judges what is wrong, all tell channels and people (docs/design/alarms.md)."""
