"""The `media` process: fetches what customers send, and uploads what is to be sent to them."""
