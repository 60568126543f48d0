"""Setting an installation up: what was seen of each thing outside, and the steps that are judged by it. No input or
output."""
