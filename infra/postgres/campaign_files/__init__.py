"""Files with recipients in Postgres, and their rows as they become recipients."""
