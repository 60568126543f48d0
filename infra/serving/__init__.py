"""The HTTP server of Flask applications (docs/decisions/0029). No pages, except the health pages that applications
share."""
