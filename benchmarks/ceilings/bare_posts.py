"""Posts the same message again and again, as many at the same time as the sender: the ceiling for `benchmarks.sending`.

`python -m benchmarks.ceilings.bare_posts URL IN_FLIGHT POSTS` posts with the sender's own HTTP client and the body on
its standard input, of which the first line is the token and the second the number, and ends when all are answered.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from pydantic_core import from_json

from infra.graph.access import GraphAccess, GraphClient


def main(url: str, in_flight: str, posts: str) -> None:
    """Raises AssertionError if a post is not accepted."""
    token, number, body = sys.stdin.read().split("\n", 2)
    client = GraphClient(GraphAccess(url, "v24.0", token, int(in_flight)))
    message = from_json(body)
    left = iter(range(int(posts)))

    def post() -> None:
        for _ in left:  # shared by all threads; one step of an iterator over a range is atomic
            assert client.post(f"{number}/messages", message).status == 200

    with ThreadPoolExecutor(int(in_flight)) as threads:
        for each in [threads.submit(post) for _ in range(int(in_flight))]:
            each.result()


if __name__ == "__main__":
    main(*sys.argv[1:])
