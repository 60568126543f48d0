"""A stand-in for Meta's Graph API on a real socket, for development and tests: it checks and accepts messages, reports
their statuses to the webhook, and has faults that can be switched (docs/graph-stand-in.md). It delivers nothing to
anybody."""
