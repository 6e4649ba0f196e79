"""`ray_config.yaml` gives Ray the environment and the ports that `./council up` gives it."""

import re
from pathlib import Path
from typing import Any

import yaml

from cluster import ports, ray_node
from cluster.settings import Settings

ROOT = Path(__file__).parents[2]


def config() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "ray_config.yaml").read_text())  # type: ignore[no-any-return]


def environment() -> dict[str, str]:
    """The `export` lines of ray.env."""
    (script,) = (command for command in config()["setup_commands"] if "ray.env" in command)
    return dict(re.findall(r'^export (\w+)="?([^"\n]*)"?$', script, re.MULTILINE))


def test_the_environment_is_the_one_of_up(tmp_path: Path) -> None:
    """Every variable that is not a setting with a default of its own, with the same value."""
    settings = Settings(home=tmp_path, node_name="pc1", ray_address="192.168.1.10:6379")
    wanted = ray_node.ray_environment(settings)
    settled = set(settings.environment()) - {"COUNCIL_HOME", "COUNCIL_NODE_NAME"}
    here = {"$HOME/.llm-council": str(tmp_path), "$(hostname)": "pc1"}

    given = environment()
    for shell, value in here.items():
        given = {name: text.replace(shell, value) for name, text in given.items()}

    assert given == {name: value for name, value in wanted.items() if name not in settled}


def test_the_ports_are_those_of_the_first_block() -> None:
    """So that one firewall rule fits both ways of starting."""
    text = (ROOT / "ray_config.yaml").read_text()
    first = ports.block(0)
    wanted = {**first.node, "port": first.gcs, "ray-client-server-port": first.client}

    given = {name: int(port) for name, port in re.findall(r"--([a-z-]*port)=(\d+)", text)}

    assert given == {**wanted, "dashboard-port": first.dashboard}
    shown = {name: int(port) for name, port in re.findall(r"(\w+_METRIC_PORT)=(\d+)", text)}
    assert shown == first.metrics


def test_every_folder_that_the_program_needs_is_shipped() -> None:
    """The folder for the program holds the launcher, the locks and the three packages."""
    shipped = {
        far.removeprefix("~/llm-council/"): near for far, near in config()["file_mounts"].items()
    }

    for name in ("council", "pyproject.toml", "requirements", "actors", "cluster", "serve_app"):
        assert shipped[name] == name and (ROOT / name).exists()
