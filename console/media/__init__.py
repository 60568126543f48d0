"""Files of messages: what a conversation shows of them, and how browsers get them."""
