"""Certificates of servers and files: until when they are valid, and whether they are trusted."""
