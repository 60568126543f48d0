"""What processes write together with their state: consumer offsets, the outbox, the command log and dead letters. Kafka
itself is in `infra.kafka`."""
