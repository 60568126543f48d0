"""What consumers do with the records of a topic, inside the batch's transaction. One module per consumer group."""
