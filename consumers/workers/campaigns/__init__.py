"""The `campaigns` process: reads recipients, plans, starts, hands messages to the sender, and watches."""
