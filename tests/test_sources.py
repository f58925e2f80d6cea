import os

import pytest

from actionzoo.prediction import Failure
from actionzoo.sources import expand_sources, is_url, natural_key


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in (
        "a10.mp4",
        "a2.MP4",
        "notes.txt",
        ".hidden.mp4",
        "deep/er/b.mkv",
        "pictures/img_00001.jpg",
        "pictures/img_00002.jpg",
        "empty/readme.md",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paths(typed, **options):
    found = expand_sources(typed, **options)
    return [one if isinstance(one, str) else f"failed: {one.error}" for one in found]


def test_a_folder_gives_its_videos_in_natural_order(tree):
    assert paths(["."]) == ["./a2.MP4", "./a10.mp4"]


def test_recursion_finds_deep_videos_and_folders_of_pictures(tree):
    assert paths(["."], recursive=True) == [
        "./a2.MP4",
        "./a10.mp4",
        "./deep/er/b.mkv",
        "./pictures",
    ]


def test_a_folder_of_pictures_is_one_video(tree):
    assert paths(["pictures"]) == ["pictures"]


def test_a_folder_without_video_says_what_would_help(tree):
    assert paths(["deep"]) == [
        "failed: folder 'deep' holds no video and no pictures; "
        "--recursive looks into its folders too"
    ]
    assert paths(["empty"], recursive=True) == [
        "failed: folder 'empty' holds no video and no pictures"
    ]


def test_globs_are_expanded_here_for_shells_that_do_not(tree):
    assert paths(["a*.mp4"]) == ["a10.mp4"]
    assert paths(["**/*.mkv"]) == ["deep/er/b.mkv"]
    assert paths(["z*.mp4"]) == ["failed: nothing matches 'z*.mp4'"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tree):
    (tree / "a[1]?.mp4").touch()
    assert paths(["a[1]?.mp4"]) == ["a[1]?.mp4"]


def test_urls_and_missing_files_are_passed_on(tree):
    typed = ["http://127.0.0.1/a.mp4?x=[1]", "missing.mp4", "rtsp://cam/1"]
    assert paths(typed) == typed


def test_a_list_file_has_comments_blank_lines_and_any_source(tree):
    text = "﻿# my list\n\n a2.MP4 \r\npictures\n# end\nmissing.mp4\n"
    (tree / "list.txt").write_text(text, encoding="utf-8")
    assert paths(["@list.txt"]) == ["a2.MP4", "pictures", "missing.mp4"]


def test_a_missing_list_is_named(tree):
    assert paths(["@none.txt"]) == [
        "failed: cannot read the list 'none.txt': No such file or directory; "
        "give @FILE with a path a line"
    ]


def test_a_list_that_names_itself_ends(tree):
    (tree / "list.txt").write_text("@list.txt\na2.MP4\n")
    assert paths(["@list.txt"])[0].startswith("failed: a list inside a list")


def test_a_file_that_starts_with_at_is_that_file(tree):
    (tree / "@home.mp4").touch()
    assert paths(["@home.mp4"]) == ["@home.mp4"]


def test_links_in_a_circle_end(tree):
    (tree / "deep" / "loop").symlink_to(tree, target_is_directory=True)
    assert len(paths(["."], recursive=True)) == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_folder_is_named(tree):
    (tree / "deep").chmod(0)
    (only,) = expand_sources(["deep"])
    assert isinstance(only, Failure)
    assert "'deep'" in str(only.error)


def test_failures_keep_what_was_typed(tree):
    (only,) = expand_sources(["empty"])
    assert isinstance(only, Failure)
    assert only.to_dict() == {
        "path": "empty",
        "error": {"type": "CannotOpen", "message": str(only.error)},
    }


def test_windows_drives_are_no_urls():
    assert not is_url(r"C:\videos\a.mp4")
    assert is_url("https://example.org/a.mp4")


def test_numbers_sort_by_value_whatever_surrounds_them():
    names = ["v10", "v9", "10", "9", "a", "v9a10", "v9a9"]
    assert sorted(names, key=natural_key) == ["a", "v9", "v9a9", "v9a10", "v10", "9", "10"]
