"""The file of keys and `./council key`: only hashes are kept, and what changes counts at once."""

import json
import logging
import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster import api_keys
from cluster.api_keys import KeyFileUnreadable, digest, fingerprint
from cluster.secret_files import KEY, secret
from serve_app.cli import key as command
from serve_app.cli.program import program
from serve_app.cli.terminal import Stop
from serve_app.keys import KeyRing

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def ring(home: Path) -> KeyRing:
    return KeyRing(api_keys.path(home))


def test_a_key_has_256_bits_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    made = {api_keys.add(tmp_path, "page", NOW) for _ in range(20)}
    assert len(made) == 20
    assert all(len(bytes.fromhex(key)) == 32 for key in made)
    kept = api_keys.path(tmp_path).read_text()
    assert not any(key in kept for key in made)
    assert {one["sha256"] for one in json.loads(kept)} == {digest(key) for key in made}
    assert {one["id"] for one in json.loads(kept)} == {fingerprint(key) for key in made}


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        api_keys.take_in_own(tmp_path, NOW)
    finally:
        os.umask(before)
    assert stat.S_IMODE(api_keys.path(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o600


def test_a_council_from_before_goes_on_with_the_key_it_had(tmp_path: Path) -> None:
    own = secret(tmp_path, KEY)
    assert not ring(tmp_path).opens(own, NOW)
    for _ in range(2):
        api_keys.take_in_own(tmp_path, NOW)
    assert ring(tmp_path).opens(own, NOW)
    assert secret(tmp_path, KEY) == own
    assert len(api_keys.read(tmp_path)) == 1


def test_a_revoked_key_opens_nothing_and_the_others_go_on(tmp_path: Path) -> None:
    keys = [api_keys.add(tmp_path, name, NOW) for name in ("a", "b", "c")]
    ended = api_keys.revoke(tmp_path, fingerprint(keys[1]), NOW)
    assert ended is not None and ended.name == "b"
    assert [ring(tmp_path).opens(key, NOW) for key in keys] == [True, False, True]
    assert api_keys.revoke(tmp_path, "00000000", NOW) is None


@pytest.mark.parametrize("grace", [timedelta(0), timedelta(minutes=5)])
def test_rotation_gives_a_new_own_key_and_ends_the_old_one(
    tmp_path: Path, grace: timedelta
) -> None:
    old, page = secret(tmp_path, KEY), api_keys.add(tmp_path, "page", NOW)
    api_keys.take_in_own(tmp_path, NOW)
    api_keys.rotate(tmp_path, NOW, NOW + grace)
    new, end = secret(tmp_path, KEY), NOW + grace
    assert new != old
    one_second = timedelta(seconds=1)
    assert not ring(tmp_path).opens(old, end)
    assert ring(tmp_path).opens(old, end - one_second) == bool(grace)
    assert ring(tmp_path).opens(new, end) and ring(tmp_path).opens(page, end)
    api_keys.add(tmp_path, "another", end + one_second)
    assert digest(old) not in api_keys.path(tmp_path).read_text()


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_rotation_that_is_cut_short_leaves_an_own_key_that_opens(
    tmp_path: Path, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`cut`: how many of its three writes are done before the power fails."""
    api_keys.take_in_own(tmp_path, NOW)
    kept, done = api_keys.keep, 0

    def failing(path: Path, text: str) -> None:
        nonlocal done
        if done == cut:
            raise OSError("no power")
        done += 1
        kept(path, text)

    monkeypatch.setattr(api_keys, "keep", failing)
    with pytest.raises(OSError):
        api_keys.rotate(tmp_path, NOW, NOW)
    assert ring(tmp_path).opens(secret(tmp_path, KEY), NOW)


def test_many_changes_at_once_lose_none(tmp_path: Path) -> None:
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: made.append(api_keys.add(tmp_path, f"{n}", NOW)))  # type: ignore[misc]
        for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 16
    assert all(ring(tmp_path).opens(key, NOW) for key in made)


class TestRing:
    def test_it_sees_every_change_and_reads_only_then(self, tmp_path: Path) -> None:
        keys, reads = ring(tmp_path), 0
        real = Path.read_bytes

        def counted(path: Path) -> bytes:
            nonlocal reads
            reads += 1
            return real(path)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "read_bytes", counted)
            assert not keys.opens("x", NOW)
            first = api_keys.add(tmp_path, "a", NOW)
            reads = 0
            assert [keys.opens(first, NOW) for _ in range(5)] == [True] * 5
            assert reads == 1
        second = api_keys.add(tmp_path, "b", NOW)
        assert keys.opens(second, NOW) and keys.opens(first, NOW)
        api_keys.path(tmp_path).unlink()
        assert not keys.opens(first, NOW)

    def test_a_file_that_is_not_ours_opens_nothing_and_is_told_once(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        keys, key = ring(tmp_path), api_keys.add(tmp_path, "a", NOW)
        assert keys.opens(key, NOW)
        api_keys.path(tmp_path).write_text('[{"sha256": "hunter2"}]')
        with caplog.at_level(logging.DEBUG):
            assert not any(keys.opens(key, NOW) for _ in range(3))
        assert len(caplog.records) == 1
        assert "hunter2" not in caplog.text
        with pytest.raises(KeyFileUnreadable):
            api_keys.read(tmp_path)

    @pytest.mark.parametrize("key", ["", " ", "\ud800", "🐘", "x" * 100_000])
    def test_what_is_no_key_opens_nothing(self, tmp_path: Path, key: str) -> None:
        api_keys.add(tmp_path, "a", NOW)
        assert not ring(tmp_path).opens(key, NOW)


class TestCommand:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("COUNCIL_HOME", str(tmp_path / "home"))
        return tmp_path / "home"

    def typed(self, *words: str) -> tuple[str, str]:
        done = CliRunner().invoke(program, ["key", *words])
        assert done.exit_code == 0, done.output
        return done.stdout, done.stderr

    def test_it_prints_a_key_once_and_alone(self, home: Path) -> None:
        out, told = self.typed("new", "--name", "phone")
        key = out.strip()
        assert ring(home).opens(key, datetime.now(UTC))
        assert key not in told and f"revoke {fingerprint(key)}" in told
        listed, _ = self.typed("list")
        assert "phone" in listed and fingerprint(key) in listed and key not in listed

    def test_it_ends_a_key_by_its_id(self, home: Path) -> None:
        key = self.typed("new")[0].strip()
        self.typed("revoke", fingerprint(key).upper())
        assert not ring(home).opens(key, datetime.now(UTC))
        with pytest.raises(Stop, match="no key of that id"):
            command.revoke(home, fingerprint(key))

    def test_it_rotates_the_own_key_and_does_not_simply_end_it(self, home: Path) -> None:
        self.typed("rotate")
        own = secret(home, KEY)
        with pytest.raises(Stop, match="own commands"):
            command.revoke(home, fingerprint(own))
        out, told = self.typed("rotate", "--grace", "5")
        assert own not in out + told and secret(home, KEY) not in out + told
        assert ring(home).opens(own, datetime.now(UTC))
        assert not ring(home).opens(own, datetime.now(UTC) + timedelta(minutes=5))
        assert len(self.typed("list")[0].splitlines()) == 3

    def test_without_a_council_it_says_how_keys_come_to_be(self) -> None:
        assert "./council up --lan" in self.typed("list")[0]

    @pytest.mark.parametrize("name", ["", "  ", "x" * 81, "\x1b\x07"])
    def test_a_name_is_a_name(self, home: Path, name: str) -> None:
        with pytest.raises(Stop, match="1 to 80"):
            command.new(home, name)

    def test_a_broken_file_is_said_with_the_way_out(self, home: Path) -> None:
        self.typed("rotate")
        api_keys.path(home).write_text("{")
        for broken in (command.show, lambda home: command.new(home, "a")):
            with pytest.raises(Stop) as stopped:
                broken(home)
            assert "./council deploy" in " ".join(stopped.value.lines)
