"""The pages of the directory: numbers, skillsets, users, their versions, and who is ready."""
