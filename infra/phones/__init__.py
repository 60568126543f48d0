"""What a phone tells: its country and how it is written, by Google's rules, and the time zone of the country, by the
tables of tzdata. For all that read or plan phones."""
