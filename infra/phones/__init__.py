"""What a phone tells: its country, by Google's rules, and the time zone of that, by the tables of tzdata."""
