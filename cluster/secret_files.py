"""The two secrets of a council, in files of their own that only their owner can read (0600).

`ray_token` lets a PC into the Ray cluster (64 hex digits, as Ray makes them); `api_key` lets PC1's
own commands into the HTTP API when it listens on the LAN (`api_keys.py` has every key's hash).
"""

import contextlib
import os
import secrets
from pathlib import Path

TOKEN = "ray_token"
KEY = "api_key"


def home_directory(home: Path) -> Path:
    """Makes the home (0700) and its `logs/`."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    (home / "logs").mkdir(exist_ok=True, mode=0o700)
    return home


def secret(home: Path, name: str) -> str:
    """The secret; made on first use. Two first uses at once agree on one."""
    path = home_directory(home) / name
    if not path.exists():
        draft = path.with_name(f".{name}.{os.getpid()}")
        keep(draft, random_secret())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()


def random_secret() -> str:
    """256 bits, in hex."""
    return secrets.token_hex(32)


def keep(path: Path, text: str) -> None:
    """Writes a file that only its owner can read; a reader never sees half of it."""
    draft = path.with_name(f"{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
