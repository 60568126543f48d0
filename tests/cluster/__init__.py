"""Stories of a cluster under load (`make test-cluster`): three brokers, a database with a standby, two webhooks behind
a balancer, three consumers. Each part dies, hangs, is cut off and restarted; nothing may be lost or doubled."""
