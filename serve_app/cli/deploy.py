"""`./council deploy`: puts the council onto a Ray head that runs already (`up` does so, too)."""

from pathlib import Path

from cluster import ray_node, run_record
from cluster.secret_files import KEY, TOKEN, home_directory, secret
from cluster.settings import Settings
from serve_app.cli.terminal import Stop, tell

RAY_UP_ADDRESS = Path("/tmp/ray/ray_current_cluster")
"""Where `ray start` notes the head's address when nobody gives it another place."""


def deploy(settings: Settings) -> None:
    """Raises `Stop` where no head answers."""
    home_directory(settings.home)
    run_record.stop_is_over(settings.home)
    secret(settings.home, TOKEN)
    secret(settings.home, KEY)
    settings = settings.model_copy(update={"ray_address": head_address(settings)})
    ray_node.adopt(settings)
    from serve_app.deploy import deploy as put  # only now: Ray reads the environment at import

    try:
        put(settings)
    except ConnectionError as error:
        raise Stop(
            f"No Ray head answers at {settings.ray_address}: {error}",
            "Start one first: ray up ray_config.yaml, or simply ./council up",
        ) from None
    tell(f"The council sits at {settings.api_url}.")


def dashboard_url(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.dashboard_port or 8265}"


def head_address(settings: Settings) -> str:
    """As set, else the head that `up` or `ray start` on this PC wrote down."""
    if "ray_address" in settings.model_fields_set:
        return settings.ray_address
    record = run_record.read(settings.home)
    if record is not None:
        return record.ray_address
    try:
        return RAY_UP_ADDRESS.read_text().strip() or settings.ray_address
    except OSError:
        return settings.ray_address
