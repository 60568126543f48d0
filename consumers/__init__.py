"""The processes that read Kafka or poll the database. They do not know the webhook or the console."""
