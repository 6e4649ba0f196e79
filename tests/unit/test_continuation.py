"""After a crash `up` goes on with what Ray wrote down, or starts anew and says why."""

from pathlib import Path

import pytest

from cluster import continuation, ports
from cluster.continuation import Anew, Continue, decide, fingerprint
from cluster.run_record import RunRecord
from cluster.settings import Settings

PORTS = ports.block(0)
RECORD = RunRecord(
    api_url="http://127.0.0.1:8000",
    dashboard_url="http://127.0.0.1:8265",
    ray_address="127.0.0.1:6379",
    node_name="pc1",
    lan=False,
    engine="Ollama",
    started_at="2026-01-01T00:00:00+00:00",
    ports=PORTS,
    fingerprint="same",
)


def test_after_a_crash_the_head_stands_up_at_the_ports_that_it_had() -> None:
    assert decide(RECORD, "same", is_stored=True, taken=[]) == Continue(PORTS)


def test_after_down_or_the_first_time_nothing_is_said() -> None:
    assert decide(None, "same", is_stored=True, taken=[]) == Anew()


def test_a_record_of_a_release_that_kept_no_ports_is_as_good_as_none() -> None:
    old = RunRecord.model_validate(RECORD.model_dump(exclude={"ports", "fingerprint"}))
    assert decide(old, "same", is_stored=True, taken=[]) == Anew()


@pytest.mark.parametrize(
    ("wanted", "is_stored", "taken", "said"),
    [
        ("same", False, [], "is not there"),
        ("other", True, [], "not those of before"),
        ("same", True, [8000, PORTS.gcs], f"Port {PORTS.gcs}"),
        ("same", True, [PORTS.min_worker + 99], "taken by another program"),
    ],
)
def test_what_cannot_go_on_starts_anew_and_says_why(
    wanted: str, is_stored: bool, taken: list[int], said: str
) -> None:
    way = decide(RECORD, wanted, is_stored, taken)
    assert isinstance(way, Anew) and said in way.why


def test_another_setting_room_or_program_is_another_fingerprint(tmp_path: Path) -> None:
    """And the same ones are the same, in any process."""
    settings = Settings(home=tmp_path, node_name="pc1")
    other = Settings(home=tmp_path, node_name="pc1", num_ctx=8192)
    marks = [
        fingerprint(settings, 3, "code"),
        fingerprint(other, 3, "code"),
        fingerprint(settings, 0, "code"),
        fingerprint(settings, 3, "other code"),
    ]
    assert len(set(marks)) == 4
    assert fingerprint(Settings(home=tmp_path, node_name="pc1"), 3, "code") == marks[0]


def test_the_program_is_known_by_the_code_of_its_three_packages(tmp_path: Path) -> None:
    """A changed, renamed or new file is another program; what lies beside them is not."""
    for folder in continuation.PROGRAM:
        (tmp_path / folder).mkdir()
    (tmp_path / "actors" / "a.py").write_text("1")
    first = continuation.program_hash(tmp_path)
    (tmp_path / "README.md").write_text("1")
    assert continuation.program_hash(tmp_path) == first
    (tmp_path / "actors" / "a.py").write_text("2")
    second = continuation.program_hash(tmp_path)
    (tmp_path / "actors" / "a.py").rename(tmp_path / "cluster" / "a.py")
    assert len({first, second, continuation.program_hash(tmp_path)}) == 3


def test_tables_are_there_once_ray_named_its_session_and_gone_once_forgotten(
    tmp_path: Path,
) -> None:
    assert not continuation.is_stored(tmp_path)
    continuation.tables(tmp_path).mkdir()
    assert not continuation.is_stored(tmp_path)
    (continuation.tables(tmp_path) / "session_name").write_text("session_1")
    assert continuation.is_stored(tmp_path)
    continuation.forget(tmp_path)
    continuation.forget(tmp_path)
    assert not continuation.tables(tmp_path).exists()
