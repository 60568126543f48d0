"""The agents' page: where agents say that they are ready, are offered customers, answer them and close."""
