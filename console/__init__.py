"""The console: the pages on which administrators work in a browser (manual facts S1 to S13). It reads PostgreSQL and
requests every change by a signed command. It writes only sessions, preferences and its audit log."""
