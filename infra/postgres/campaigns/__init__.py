"""Campaigns, their recipients and the counts of both."""
