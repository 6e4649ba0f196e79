"""The table of cloud prices, read from the user's file or the one beside this module."""

import os
import tomllib
from pathlib import Path

from pydantic import ValidationError

from actors.messages.prices import PriceTable
from cluster.settings import InvalidSettings, Settings

FILE = "prices.toml"
SHIPPED = Path(__file__).with_name(FILE)


def place(settings: Settings) -> Path:
    """As set (`COUNCIL_PRICES`), else in the home if it is there, else the shipped one. A link that
    leads nowhere is there: it is not for us to take other prices in its stead."""
    own = settings.home / FILE
    return settings.prices or (own if os.path.lexists(own) else SHIPPED)


def read(settings: Settings) -> PriceTable:
    """Raises `InvalidSettings`, which says what to mend in which file."""
    path = place(settings)
    try:
        # Some editors begin a file with a mark of its encoding, which TOML does not know.
        return PriceTable.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except ValidationError as error:
        wrong = "; ".join(_faults(error)[:3])
    except OSError as error:
        wrong = error.strerror or type(error).__name__
    except (ValueError, RecursionError) as error:  # neither TOML nor UTF-8
        wrong = str(error)
    raise InvalidSettings(
        f"The table of cloud prices {path} cannot be used: {wrong}. Mend it as in {SHIPPED}, or "
        f"let COUNCIL_PRICES name another one."
    )


def _faults(error: ValidationError) -> list[str]:
    """Without those of a whole of which a part is to blame: a list of bad prices is not empty."""
    faults = error.errors(include_url=False, include_input=False)
    places = [fault["loc"] for fault in faults]
    return [
        f"{'.'.join(map(str, place)) or 'the table'}: {fault['msg']}"
        for place, fault in zip(places, faults, strict=True)
        if not any(other[: len(place)] == place and other != place for other in places)
    ]
