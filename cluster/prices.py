"""The table of cloud prices, read from the user's file or the one beside this module."""

import tomllib
from pathlib import Path

from pydantic import ValidationError

from actors.messages.prices import PriceTable
from cluster.settings import InvalidSettings, Settings

FILE = "prices.toml"
SHIPPED = Path(__file__).with_name(FILE)


def place(settings: Settings) -> Path:
    """As set (`COUNCIL_PRICES`), else in the home if it is there, else the shipped one."""
    own = settings.home / FILE
    return settings.prices or (own if own.exists() else SHIPPED)


def read(settings: Settings) -> PriceTable:
    """Raises `InvalidSettings`, which says what to mend in which file."""
    path = place(settings)
    try:
        return PriceTable.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the table'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)[:3]
        )
    except OSError as error:
        wrong = error.strerror or type(error).__name__
    except ValueError as error:  # neither TOML nor UTF-8
        wrong = str(error)
    raise InvalidSettings(
        f"The table of cloud prices {path} cannot be used: {wrong}. Mend it as in {SHIPPED}, or "
        f"let COUNCIL_PRICES name another one."
    )
