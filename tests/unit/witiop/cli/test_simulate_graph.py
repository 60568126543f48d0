"""`witiop simulate graph` switches faults of the Graph stand-in."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.graph.faults import FAULTS
from tests.support.command_line import Finished, call
from tests.support.graph import Graph, graph_running
from witiop.dev.stack_file import Stack


@pytest.fixture
def graph() -> Iterator[Graph]:
    with graph_running() as graph:
        yield graph


def simulate(graph: Graph, *options: str) -> Finished:
    return call("simulate", "graph", "--url", graph.url, "--stack", "-", *options)


def test_faults_are_switched_on_off_and_cleared(graph: Graph) -> None:
    on = simulate(graph, "--fault", "drop-answer,next=1", "--fault", "error=131056,to=+393005550110")
    assert (0, ["drop-answer,next=1", "error=131056,to=+393005550110"]) == (
        on.code,
        [line.split()[1] for line in on.out.splitlines()],
    )
    assert 0 == graph.send().status
    assert "on   drop-answer,next=1  (1 of 1 posts)" in simulate(graph).out
    assert "drop-answer" not in simulate(graph, "--off", "drop-answer").out
    assert "no fault is on\n" == simulate(graph, "--clear").out
    assert [] == json.loads(simulate(graph, "--json").out)["faults"]


def test_without_options_every_fault_is_listed_with_its_value_and_effect(graph: Graph) -> None:
    listed = simulate(graph).out
    assert [] == [name for name, kind in FAULTS.items() if f"{name}" not in listed or kind.effect not in listed]
    assert "     latency=milliseconds: answers every call after this time\n" in listed


def test_the_help_lists_every_fault_also_where_no_stand_in_runs() -> None:
    told = " ".join(call("simulate", "graph", "--help").out.split())
    assert [] == [name for name, kind in FAULTS.items() if f" {name}" not in told or kind.effect not in told]


def test_a_fault_that_is_not_understood_says_what_is_expected(graph: Graph) -> None:
    refused = simulate(graph, "--fault", "error=many")
    assert (1, "witiop: error=many: the value must be CODE or CODE/HTTP_STATUS\n") == (refused.code, refused.err)


def test_the_running_stack_is_the_default(graph: Graph, tmp_path: Path) -> None:
    secrets = ("s",) * 5
    Stack("http://x", "x", "x", *secrets, graph_url=graph.url, pids={"graph": [os.getpid()]}).write(tmp_path)
    assert "latency=5" in call("simulate", "graph", "--fault", "latency=5", "--stack", str(tmp_path)).out


def test_a_stand_in_that_is_missing_or_unknown_is_an_error() -> None:
    missing = call("simulate", "graph", "--url", "http://127.0.0.1:1", "--stack", "-")
    assert (3, "witiop: no answer from http://127.0.0.1:1: check that the stack is running\n") == (
        missing.code,
        missing.err,
    )
    unknown = call("simulate", "graph", "--stack", "-")
    assert (1, True) == (unknown.code, "no Graph stand-in is known: start witiop dev" in unknown.err)
