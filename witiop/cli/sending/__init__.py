"""Commands about what is sent to customers, and about files. Templates and numbers are beside them."""
