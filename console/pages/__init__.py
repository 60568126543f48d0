"""The views, one module per page or group of actions, each returning its blueprint. They read through
`infra.postgres` and submit commands; SQL and rules about conversations belong elsewhere."""
