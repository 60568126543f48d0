"""Files of customers and for customers: the store that keeps them in S3, and pictures made small. What a file is worth
to a conversation is no subject of this package."""
