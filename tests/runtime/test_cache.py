"""The object cache: entries are code, so only whole ones of our own are used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ddc.runtime.cache import ObjectCache


def build_once(calls: list[int]) -> bytes:
    calls.append(1)
    return b"code"


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    cache, calls = ObjectCache(tmp_path / "cache"), list[int]()
    key = cache.key("text", "cpu")
    for _ in range(3):
        assert cache.get(key, lambda: build_once(calls)) == b"code"
    assert len(calls) == 1
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other"])
def test_a_damaged_entry_is_built_again(tmp_path: Path, damage: str) -> None:
    cache, calls = ObjectCache(tmp_path / "cache"), list[int]()
    key, other = cache.key("a"), cache.key("b")
    cache.get(key, lambda: build_once(calls))
    cache.get(other, lambda: b"other code")
    file = tmp_path / "cache" / f"{key}.o"
    raw = file.read_bytes()
    changed = {
        "flip": raw[:-1] + bytes([raw[-1] ^ 1]),
        "cut": raw[:-2],
        "empty": b"",
        "other": (
            tmp_path / "cache" / f"{other}.o"
        ).read_bytes(),  # a whole entry, but not this one
    }
    file.write_bytes(changed[damage])
    assert cache.get(key, lambda: build_once(calls)) == b"code"
    assert len(calls) == 2
    assert file.read_bytes() == raw


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o777)
    cache, calls = ObjectCache(folder), list[int]()
    assert not cache.usable
    for _ in range(2):
        assert cache.get("k", lambda: build_once(calls)) == b"code"
    assert len(calls) == 2 and not list(folder.iterdir())


def test_an_entry_that_others_can_write_to_or_a_link_is_not_used(tmp_path: Path) -> None:
    cache, calls = ObjectCache(tmp_path / "cache"), list[int]()
    key = cache.key("a")
    cache.get(key, lambda: build_once(calls))
    file = tmp_path / "cache" / f"{key}.o"
    file.chmod(0o666)
    cache.get(key, lambda: build_once(calls))
    assert len(calls) == 2
    raw = file.read_bytes()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(raw)
    file.unlink()
    os.symlink(elsewhere, file)
    cache.get(key, lambda: build_once(calls))
    assert len(calls) == 3 and elsewhere.read_bytes() == raw


def test_keys_tell_everything_apart(tmp_path: Path) -> None:
    key = ObjectCache.key
    assert len({key("a", "b"), key("ab", ""), key("a", "c"), key("a"), key("b", "a")}) == 5


def test_another_pass_pipeline_is_another_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ddc.backends.llvm import machine
    from ddc.runtime import jit

    text = "define i32 @f() {\n  ret i32 7\n}\n"
    cache, cpu = ObjectCache(tmp_path / "cache"), machine.GENERIC
    for level, vectorise in ((0, False), (1, False), (2, False), (2, True), (3, True)):
        jit.code_of(text, cpu, level, vectorise, cache)
        jit.code_of(text, cpu, level, vectorise, cache)
    assert len(list(cache.folder.iterdir())) == 5
    monkeypatch.setattr(machine, "pipelines", lambda *_: ((),))
    jit.code_of(text, cpu, 3, True, cache)
    assert len(list(cache.folder.iterdir())) == 6


def test_a_folder_that_cannot_be_made_only_means_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = ObjectCache(tmp_path / "file" / "cache")
    assert not cache.usable and cache.get("k", lambda: b"x") == b"x"
