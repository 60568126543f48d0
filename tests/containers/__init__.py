"""The image and docker-compose.yml, unchanged, on a real Docker engine. Run with `make test-containers` only."""
