"""The image, and what a container may do: small, without tools, not as root, and its files cannot be changed."""

import json

import pytest

from tests.containers.deployment import Container, Deployment
from tests.containers.stand_ins import IMAGES

OUR_MIB = 300
"""The most that our layers may add to the base image."""
_LOOK = """
id -u
grep -E '^(CapEff|NoNewPrivs):' /proc/1/status
for place in / /etc /usr/bin /opt /var /home; do
  if (: > "$place/.tried") 2>/dev/null; then echo "wrote to $place"; fi
done
awk '$5 !~ "^/(proc|sys|dev)(/|$)" {split($6, options, ","); print "mount", $5, options[1]}' /proc/self/mountinfo
"""
WRITABLE = {
    "kafka": {"/tmp", "/opt/kafka/config", "/etc/kafka/secrets", "/mnt/shared/config", "/var/lib/kafka/data"},
    "postgres": {"/tmp", "/run/postgresql", "/var/lib/postgresql"},
    "caddy": {"/tmp", "/var/lib/caddy"},
}
"""What is written by whom; all of ours write to /tmp only."""
_OF_THE_ENGINE = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}
"""Files that the engine provides; they are root's."""


def test_the_image_adds_little_to_its_base(deployment: Deployment) -> None:
    sizes = [
        int(deployment.docker("image", "inspect", "--format", "{{.Size}}", name))
        for name in ("witiop-unmanaged", IMAGES["python"])
    ]
    added = (sizes[0] - sizes[1]) / 1024**2
    print(f"the image adds {added:.0f} MiB to its base of {sizes[1] / 1024**2:.0f} MiB")
    assert added < OUR_MIB


def test_the_image_has_our_packages_and_nothing_to_install_or_test_with(deployment: Deployment) -> None:
    look = """
import importlib.metadata, json, pathlib, shutil, sys
import py3langid, numpy, boto3
boto3.Session().client("sesv2", region_name="eu-west-1"), boto3.Session().client("s3", region_name="eu-west-1")
root = pathlib.Path(sys.prefix)
print(json.dumps({
    "packages": sorted({each.metadata["Name"].lower() for each in importlib.metadata.distributions()}),
    "programs": sorted(each.name for each in (root / "bin").glob("pip*")),
    "compilers": [name for name in ("gcc", "cc", "make", "git") if shutil.which(name)],
    "ours": sorted(each.name for each in root.glob("lib/*/site-packages/*") if each.name in ("tests", "benchmarks")),
}))"""
    run = ("run", "--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none", "--entrypoint", "python")
    found = json.loads(deployment.docker(*run, "witiop-unmanaged", "-c", look))
    assert "witiop-unmanaged" in found["packages"]
    assert {"pytest", "hatchling", "pip", "setuptools", "moto"}.isdisjoint(found["packages"])
    assert ([], [], []) == (found["programs"], found["compilers"], found["ours"])


def test_the_image_keeps_no_secret_of_those_who_built_it(deployment: Deployment) -> None:
    """Neither its history nor its settings have a value of `.env`."""
    known = deployment.docker("history", "--no-trunc", "witiop-unmanaged") + deployment.docker(
        "image", "inspect", "witiop-unmanaged"
    )
    assert [] == [name for name, value in deployment.values.items() if len(value) >= 32 and value in known]


@pytest.fixture(scope="module")
def running(deployment: Deployment) -> list[Container]:
    return [each for each in deployment.containers() if each.state == "running"]


def test_no_process_is_root_or_could_become_it(deployment: Deployment, running: list[Container]) -> None:
    seen = {each.service: deployment.docker("exec", each.id, "sh", "-c", _LOOK).splitlines() for each in running}
    assert {"kafka", "postgres", "caddy", "webhook", "console", "relay"} <= seen.keys()
    for service, (user, capabilities, privileges, *_) in seen.items():
        assert int(user) > 0, service
        assert 0 == int(capabilities.split()[1], 16), service
        assert "1" == privileges.split()[1], service


def test_no_process_can_change_its_files(deployment: Deployment, running: list[Container]) -> None:
    for each in running:
        _, _, _, *lines = deployment.docker("exec", each.id, "sh", "-c", _LOOK).splitlines()
        assert [] == [line for line in lines if line.startswith("wrote")], each.service
        mounts = [line.split() for line in lines if line.startswith("mount")]
        assert ["ro"] == [how for _, place, how in mounts if place == "/"], each.service
        writable = {place for _, place, how in mounts if how == "rw"} - _OF_THE_ENGINE
        assert WRITABLE.get(each.service, {"/tmp"}) == writable, each.service
