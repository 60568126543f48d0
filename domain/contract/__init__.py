"""Public documents and texts: rows, transcripts, events and reasons as readers outside the code see them. Decides
nothing about conversations."""
