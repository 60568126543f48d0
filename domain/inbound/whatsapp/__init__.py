"""The reader of Meta's WhatsApp bodies (webhooks.md): bytes -> facts. Nothing about Softbot, the agent desktop or
SES."""
