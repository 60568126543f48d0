"""The PostgreSQL adapter: the schema, and every SQL statement of the product. A module here reads and writes rows; the
decisions are taken in `domain`."""
