"""The rules of the product: pure functions and plain data. Does no input or output, reads no clock, and imports only
the standard library, pydantic and itself."""
