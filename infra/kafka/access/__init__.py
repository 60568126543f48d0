"""What each process may do at the brokers, and how the brokers learn it: a principal for each process, with the least
access that its work needs. No topics, no records."""
