"""The command line, the settings and the wiring of every process: the only package that reads the environment and that
knows all others. No business rules here, they belong to `domain`."""
