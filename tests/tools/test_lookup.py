"""Media are found by fixed rules, only under their folder, and a miss says what was looked for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from shards.media.kinds import IMAGE_EXTENSIONS, VIDEO_EXTENSIONS
from tools.lookup import MediaFolder, MediaNotFound
from tools.rows import AnnotationError, OptionError


@pytest.fixture
def media(tmp_path: Path) -> Path:
    root = tmp_path / "media"
    for name in ("page/7.mp4", "8.webm", "9.AVI", "videos/a b.mp4", "c.mp4", "folder.mp4/x.txt", "007/d.mp4"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "secret.mp4").write_bytes(b"x")
    return root


def test_stems_are_tried_in_order_with_every_extension(media: Path) -> None:
    folder = MediaFolder(media, VIDEO_EXTENSIONS)
    assert folder.find(stems=["page/7", "7"]) == media / "page/7.mp4"
    assert folder.find(stems=["page/8", "8"]) == media / "8.webm"
    assert folder.find(stems=["9"]) == media / "9.AVI"


def test_an_address_is_found_by_path_by_the_end_of_its_path_and_by_its_name(media: Path) -> None:
    folder = MediaFolder(media, VIDEO_EXTENSIONS)
    assert folder.find(address="videos/a b.mp4") == media / "videos/a b.mp4"
    assert folder.find(address="https://host/x/videos/a%20b.mp4?size=1") == media / "videos/a b.mp4"
    assert folder.find(address="https://host/x/c.mp4") == media / "c.mp4"
    assert folder.find(address=f"{media}/007/d.mp4") == media / "007/d.mp4"
    assert folder.find(address="/elsewhere/007/d.mp4") == media / "007/d.mp4"


def test_a_name_shared_by_two_addresses_is_refused_to_the_second(media: Path) -> None:
    folder = MediaFolder(media, VIDEO_EXTENSIONS)
    folder.find(address="https://host/1/c.mp4")
    assert folder.find(address="https://host/1/c.mp4") == media / "c.mp4"
    with pytest.raises(
        MediaNotFound, match=r"the file 'c\.mp4' fits 'https://host/2/c\.mp4' and an earlier row's other"
    ):
        folder.find(address="https://host/2/c.mp4")


@pytest.mark.parametrize("stem", ["../secret", "/etc/hosts", "a/../../secret", "\0", "x" * 5000, "folder"])
def test_stems_never_lead_out_of_the_folder(media: Path, stem: str) -> None:
    with pytest.raises(MediaNotFound, match="no file under"):
        MediaFolder(media, VIDEO_EXTENSIONS).find(stems=[stem])


def test_addresses_never_lead_out_of_the_folder(media: Path) -> None:
    folder = MediaFolder(media, VIDEO_EXTENSIONS)
    with pytest.raises(MediaNotFound, match="leads upwards; give paths under"):
        folder.find(address="videos/../../secret.mp4")
    with pytest.raises(MediaNotFound, match="no file under"):
        folder.find(address=str(media.parent / "secret.mp4"))


def test_an_address_that_is_no_url_is_a_miss(media: Path) -> None:
    with pytest.raises(MediaNotFound, match=r"'http://.*/c\.mp4' is no URL \(Invalid IPv6 URL\); correct it"):
        MediaFolder(media, VIDEO_EXTENSIONS).find(address="http://[x/c.mp4")


def test_a_pipe_is_not_taken_for_a_medium(media: Path) -> None:
    os.mkfifo(media / "pipe.mp4")
    with pytest.raises(MediaNotFound, match="no file under"):
        MediaFolder(media, VIDEO_EXTENSIONS).find(stems=["pipe"])


def test_a_miss_says_what_was_looked_for_and_what_to_do(media: Path) -> None:
    with pytest.raises(MediaNotFound) as error:
        MediaFolder(media, VIDEO_EXTENSIONS).find(["5"], ["p/5", "5"], "https://host/5.mp4")
    assert str(error.value) == (
        f"no file under {media} for p/5.(mp4, ...) or 5.(mp4, ...) or https://host/5.mp4; check --media, or name the "
        "file in an --id-map, or accept the loss"
    )


def test_the_id_map_goes_first_and_may_leave_the_extension_out(media: Path, tmp_path: Path) -> None:
    id_map = tmp_path / "map.json"
    id_map.write_text(json.dumps({"8": "c.mp4", "v": "page/7", "gone": "no.mp4", "out": "../secret.mp4"}))
    folder = MediaFolder(media, VIDEO_EXTENSIONS, id_map)
    assert folder.find(["8"], ["8"]) == media / "c.mp4"
    assert folder.find(["v"]) == media / "page/7.mp4"
    assert folder.find(["9"], ["9"]) == media / "9.AVI"
    for identifier in ("gone", "out"):
        with pytest.raises(
            MediaNotFound, match=r"the id map says '.*' for '(gone|out)', and there is no such file under"
        ):
            folder.find([identifier])


def test_an_id_map_must_map_ids_to_paths(media: Path, tmp_path: Path) -> None:
    id_map = tmp_path / "map.json"
    id_map.write_text('{"1": ["a.mp4"]}')
    with pytest.raises(AnnotationError, match=r'map\.json: expected a JSON object \{"id": "path'):
        MediaFolder(media, VIDEO_EXTENSIONS, id_map)


def test_a_media_folder_that_is_none_or_goes_away_stops_the_build(media: Path) -> None:
    with pytest.raises(AnnotationError, match="no such folder; check --media"):
        MediaFolder(media / "nowhere", IMAGE_EXTENSIONS)
    with pytest.raises(AnnotationError, match="is not a folder; check --media"):
        MediaFolder(media / "c.mp4", IMAGE_EXTENSIONS)
    folder = MediaFolder(media, VIDEO_EXTENSIONS)
    media.rename(media.with_name("unmounted"))
    with pytest.raises(AnnotationError, match="the media folder has gone away; mount it again and rerun to resume"):
        folder.find(stems=["8"])


def test_what_lies_there_instead_is_told(tmp_path: Path) -> None:
    (tmp_path / "cut.mp4.part").touch()
    (tmp_path / "page.html").touch()
    (tmp_path / "bare").touch()
    (tmp_path / "loop.mp4").symlink_to("loop2.mp4")
    (tmp_path / "loop2.mp4").symlink_to("loop.mp4")
    (tmp_path / "gone.mp4").symlink_to("nothing.mp4")
    folder = MediaFolder(tmp_path, VIDEO_EXTENSIONS)
    for stem, told in (
        ("cut", "(there is cut.mp4.part, which is not named as a medium: .mp4, ...)"),
        ("page", "(there is page.html, which"),
        ("bare", "(there is bare, which"),
        ("loop", "(loop.mp4 is a link that leads to no file)"),
        ("gone", "(gone.mp4 is a link that leads to no file)"),
        ("../up", "('../up' leads out of the folder)"),
        ("/etc/passwd", "('/etc/passwd' leads out of the folder)"),
    ):
        with pytest.raises(MediaNotFound) as error:
            folder.find([stem], [stem])
        message = str(error.value)
        assert f"for {stem}.(mp4, ...) {told}" in message and "; check --media, or name the file" in message
    for stem in ("nul\0", "x" * 5000, "\udc80"):
        with pytest.raises(MediaNotFound, match="no file under"):
            folder.find([stem], [stem])


def test_a_folder_that_is_a_link_in_a_circle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OptionError, match=r"/a: is a link that leads to no folder; check --media"):
        MediaFolder(tmp_path / "a", VIDEO_EXTENSIONS)


def test_a_name_without_extension_is_taken_where_the_set_has_such_and_no_other_is_there(media: Path) -> None:
    for name in ("8", "bare", "dot."):
        (media / name).write_bytes(b"x")
    folder = MediaFolder(media, (*VIDEO_EXTENSIONS, ""))
    found = [folder.find(stems=[stem]).name for stem in ("8", "bare", "dot")]
    assert found == ["8.webm", "bare", "dot."]
    with pytest.raises(MediaNotFound, match=r"there is bare, which is not named as a medium: \.mp4"):
        MediaFolder(media, VIDEO_EXTENSIONS).find(stems=["bare"])
