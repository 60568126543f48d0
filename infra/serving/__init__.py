"""HTTP serving: granian, and the bridge between granian and a Flask application (docs/decisions/0003). No pages, except
the health pages that applications share."""
