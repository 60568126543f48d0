"""Which files are to be fetched or uploaded, and what became of them. The files are in S3 (`infra.media`)."""
