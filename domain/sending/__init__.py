"""Sending to WhatsApp: messages, what Meta's answers mean, what becomes of a send (docs/design/sending.md)."""
