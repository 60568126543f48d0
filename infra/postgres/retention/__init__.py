"""What is removed after its time, and what is known of one person: found, exported, erased."""
