"""Composition of mail bodies: layout, wording and masking of phone numbers. Must not import routing or the public
contract, and sends nothing."""
