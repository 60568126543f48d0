"""HTTP on the network's side: granian, and what stands between it and a Flask application (docs/decisions/0003)."""
