"""`WITIOP_TEST_STACK=docker`: the other tests on containers instead of the development servers."""

import re
import subprocess
import sys

import pytest

from tests.containers.engine import Docker
from tests.support.paths import ROOT


@pytest.mark.parametrize(
    "tests",
    [
        "tests/integration/infra/postgres/test_roles.py",
        "tests/contract/test_publisher.py",
        "tests/flow/test_stories.py",
    ],
)
def test_tests_run_on_containers_and_leave_none_behind(docker: Docker, tests: str) -> None:
    """Those of the database alone, of the broker alone, and of the processes on both."""
    environment = {
        **docker.environment,
        "WITIOP_TEST_STACK": "docker",
        # It removes containers after a crash; its image is not among those that can be made here.
        "TESTCONTAINERS_RYUK_DISABLED": "true",
        "PYTHONPATH": str(ROOT),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == ended.returncode, ended.stdout[-4000:] + ended.stderr[-2000:]
    assert re.search(r"[1-9]\d* passed", ended.stdout) or "passed" not in ended.stdout
    assert "" == docker("ps", "--all", "--quiet", "--filter", "label=org.testcontainers=true").strip()
