"""The page about setting the installation up: its steps, each judged by looking."""
