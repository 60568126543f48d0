"""The stream of changes that open lists receive. One reader looks for all of them; nothing here answers a request for a
page, and nothing here queries the database once per open page."""
