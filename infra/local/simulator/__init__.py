"""The simulator: plays customers, Softbot, agents and Meta against the webhooks, for the demo, tests and load. Uses
only the public HTTP interface, never the database or Kafka."""
