"""What the measurements run on: servers, databases, topics and traffic. Nothing is measured here, except for the rates
of two loops that `slices` compares.
"""
