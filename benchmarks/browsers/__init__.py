"""Simulated browsers: programs that open many pages with their streams and record what these receive."""
