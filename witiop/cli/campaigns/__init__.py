"""`witiop campaigns`: one template to many customers (docs/design/campaigns.md)."""
