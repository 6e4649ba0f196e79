"""Cloud prices: which file it is, and that a bad one stops the start, in plain words."""

from pathlib import Path

import pytest

from cluster import prices
from cluster.head import orchestrator_config
from cluster.prices import SHIPPED
from cluster.settings import InvalidSettings, Settings
from serve_app.cli import up
from serve_app.cli.doctor.pc import price_table
from serve_app.cli.pc1 import Wish

OWN = """
as_of = 2026-08-01
currency = "EUR"
[[models]]
name = "ours"
input = 1
output = 2.5
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("COUNCIL_PRICES", raising=False)
    return tmp_path


def test_the_shipped_table_says_that_it_is_an_example(home: Path) -> None:
    settings = Settings(home=home)
    assert prices.place(settings) == SHIPPED
    table = prices.read(settings)
    assert "not checked" in table.source and 3 <= len(table.models) <= 4
    assert orchestrator_config(settings).prices == table


def test_the_homes_table_wins_over_the_shipped_and_the_set_one_over_both(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "prices.toml").write_text(OWN)
    table = prices.read(Settings(home=home))
    assert (table.currency, table.models[0].name, table.models[0].output) == ("EUR", "ours", 2.5)
    other = home / "other.toml"
    other.write_text(OWN.replace("ours", "theirs"))
    monkeypatch.setenv("COUNCIL_PRICES", str(other))
    assert prices.read(Settings(home=home)).models[0].name == "theirs"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("as_of 2026", "line 1"),
        (OWN.replace("as_of = 2026-08-01", ""), "as_of: Field required"),
        (OWN.replace("2.5", "-2.5"), "models.0.output"),
        (OWN.replace("2.5", "nan"), "models.0.output"),
        (OWN.replace("2.5", '"2.5"'), "models.0.output"),
        (OWN.replace("input", "imput"), "models.0.imput"),
        (OWN + OWN[OWN.index("[[") :], "a name of its own"),
        ('as_of = 2026-08-01\ncurrency = "US dollars"\nmodels = []', "currency"),
        ("\udcff", "utf-8"),
        ("as_of = " + "[" * 5_000, "recursion"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(home: Path, text: str, why: str) -> None:
    path = home / "prices.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InvalidSettings, match=why) as refused:
        prices.read(Settings(home=home))
    assert str(path) in str(refused.value) and str(SHIPPED) in str(refused.value)
    assert "at least 1 item" not in str(refused.value) or "models = []" in text


def test_a_table_of_an_editor_that_marks_its_encoding_is_read(home: Path) -> None:
    (home / "prices.toml").write_text(OWN, encoding="utf-8-sig")
    assert prices.read(Settings(home=home)).currency == "EUR"


def test_a_link_to_a_table_that_is_gone_is_not_replaced_in_silence(home: Path) -> None:
    (home / "prices.toml").symlink_to(home / "gone.toml")
    with pytest.raises(InvalidSettings, match="No such file"):
        prices.read(Settings(home=home))


def test_a_bad_table_stops_up_before_anything_starts_and_doctor_finds_it(home: Path) -> None:
    there = Settings.having(home=home, port=1)
    assert price_table(there).state == "ok"
    settings = there.model_copy(update={"prices": home})  # a folder
    with pytest.raises(InvalidSettings, match="Is a directory"):
        up.up(Wish(settings))
    assert {path.name for path in home.iterdir()} <= {"up.lock", "logs"}
    found = price_table(settings)
    assert found.state == "fault" and "Is a directory" in found.says


def test_a_table_that_was_named_and_is_not_there_is_not_replaced_in_silence(home: Path) -> None:
    with pytest.raises(InvalidSettings, match="No such file"):
        prices.read(Settings(home=home, prices=home / "nowhere.toml"))
