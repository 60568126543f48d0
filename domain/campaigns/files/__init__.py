"""Files with recipients: their rows and columns, and what is wrong with them (docs/design/campaigns.md, *Files*)."""
