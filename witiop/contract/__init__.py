"""The generator of docs/events and the check that changes of the public contract are additive. The message types
themselves are defined in `domain.contract`."""
