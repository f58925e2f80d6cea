"""Archives are unpacked whole or not at all, and never outside of their folder."""

from __future__ import annotations

import io
import random
import shutil
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from actionzoo.datasets.unpack import Limits, unpack
from actionzoo.errors import BadDataset, ConfigError

FILES = {
    "clips/walk/1.mp4": bytes(range(256)) * 300,
    "clips/run/späte (1).mp4": b"",
    "clips/labels.csv": b"walk\nrun\n",
}
Member = tuple[str | tarfile.TarInfo, bytes]


def write_tar(path: Path, members: Sequence[Member], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member, data in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def write_zip(path: Path, members: Sequence[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def special(name: str, type: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type, link
    return info


def contents(folder: Path) -> dict[str, bytes]:
    files = (one for one in folder.rglob("*") if one.is_file())
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in files}


def cut(path: Path, sizes: Sequence[int], name: str) -> list[Path]:
    """Cut a file into parts, the last of which has the rest."""
    data, parts = path.read_bytes(), []
    for number, size in enumerate([*sizes, len(path.read_bytes())]):
        parts.append(path.with_name(name.format(number)))
        parts[-1].write_bytes(data[:size])
        data = data[size:]
    path.unlink()
    return parts


KINDS: dict[str, Callable[[Path], Path]] = {
    "zip": lambda path: write_zip(path, list(FILES.items())),
    "tar": lambda path: write_tar(path, list(FILES.items())),
    "tar.gz": lambda path: write_tar(path, list(FILES.items()), "w:gz"),
    "tar.bz2": lambda path: write_tar(path, list(FILES.items()), "w:bz2"),
    "tar.xz": lambda path: write_tar(path, list(FILES.items()), "w:xz"),
}
each_kind = pytest.mark.parametrize("write", KINDS.values(), ids=KINDS)


@each_kind
def test_every_kind_is_unpacked_whatever_its_name(tmp_path: Path, write: Callable) -> None:
    archive = write(tmp_path / "download")
    told: list[tuple[int, int]] = []
    folder = tmp_path / "new" / "folder"
    assert unpack([archive], folder, progress=lambda *now: told.append(now)) == 3
    assert contents(folder) == FILES
    assert sorted(one.name for one in tmp_path.iterdir()) == ["download", "new"]
    assert told[-1] == (archive.stat().st_size,) * 2
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@each_kind
def test_parts_are_joined(tmp_path: Path, write: Callable) -> None:
    parts = cut(write(tmp_path / "archive"), [700, 100], "20bn-jester-v1-{:02d}")
    assert unpack(parts, tmp_path / "folder") == 3
    assert contents(tmp_path / "folder") == FILES


def test_parts_of_a_tar_that_begin_with_a_member_are_joined_by_their_names(tmp_path: Path) -> None:
    files = {f"{number}.txt": b"x" * 512 for number in range(3)}
    parts = cut(write_tar(tmp_path / "a", list(files.items())), [1024, 1024], "big.tar.a{}")
    named = [one.rename(one.with_name(f"big.tar.a{'abc'[n]}")) for n, one in enumerate(parts)]
    assert all(tarfile.is_tarfile(one) for one in named)
    assert unpack(named, tmp_path / "folder") == 3


def test_archives_are_unpacked_into_one_folder_which_may_be_there(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    one = write_tar(tmp_path / "1.tgz", [("a/1", b"1"), ("same", b"old")], "w:gz")
    two = write_zip(tmp_path / "2.zip", [("a/2", b"2"), ("same", b"new"), ("empty/", b"")])
    three = write_tar(tmp_path / "3.tar", [("a/3", b"3")])
    assert unpack([one, two, three], tmp_path / "link") == 4
    assert contents(tmp_path / "folder") == {"a/1": b"1", "a/2": b"2", "a/3": b"3", "same": b"new"}
    assert (tmp_path / "folder" / "empty").is_dir()
    assert not list((tmp_path / "folder").glob(".*"))


def test_permissions_are_not_kept(tmp_path: Path) -> None:
    info = tarfile.TarInfo("tool")
    info.mode = 0o6777
    folder = special("folder", tarfile.DIRTYPE)
    folder.mode = 0
    unpack([write_tar(tmp_path / "a.tar", [(info, b"#!"), (folder, b"")])], tmp_path / "to")
    assert not (tmp_path / "to" / "tool").stat().st_mode & (stat.S_ISUID | stat.S_ISGID | 0o111)
    assert (tmp_path / "to" / "folder").stat().st_mode & 0o700 == 0o700


NAMES = [
    "../x",
    "a/../../x",
    "a/..",
    "/tmp/x",
    "//host/x",
    "C:\\x",
    "c:x",
    "..\\x",
    "\\x",
    "a/ ../x",
    "a/.. /x",
    "a/.../x",
]


def refused(archive: Path, tmp_path: Path, message: str, limits: Limits | None = None) -> None:
    before = contents(tmp_path)
    with pytest.raises(BadDataset, match=message) as caught:
        unpack([archive], tmp_path / "new" / "folder", limits=limits)
    assert archive.name in str(caught.value)
    assert contents(tmp_path) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", NAMES)
def test_no_member_leaves_the_folder(tmp_path: Path, name: str) -> None:
    message = "would be written outside of the folder"
    good = ("good", b"")
    refused(write_tar(tmp_path / "a.tar", [good, (name, b"x")]), tmp_path, message)
    folder = special(name, tarfile.DIRTYPE)
    refused(write_tar(tmp_path / "b.tar", [good, (folder, b"")]), tmp_path, message)
    refused(write_zip(tmp_path / "a.zip", [good, (name, b"x")]), tmp_path, message)


@pytest.mark.parametrize(
    ("type", "what"),
    [
        (tarfile.SYMTYPE, "the link 'x'"),
        (tarfile.LNKTYPE, "the link 'x'"),
        (tarfile.FIFOTYPE, "the device, or other special file, 'x'"),
        (tarfile.CHRTYPE, "the device"),
        (tarfile.BLKTYPE, "the device"),
        (b"V", "the device"),
    ],
)
def test_links_and_devices_are_refused(tmp_path: Path, type: bytes, what: str) -> None:
    (tmp_path / "outside").mkdir()
    link = special("x", type, str(tmp_path / "outside"))
    members: list[Member] = [("good", b""), (link, b""), ("x/written through it", b"!")]
    refused(write_tar(tmp_path / "a.tgz", members, "w:gz"), tmp_path, what)


def test_links_in_zips_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("x")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    archive = write_zip(tmp_path / "a.zip", [(link, b"/etc"), ("x/passwd", b"!")])
    refused(archive, tmp_path, "the link 'x'")


def test_a_zero_byte_in_a_name_is_refused(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", [("good_name", b"x")])
    archive.write_bytes(archive.read_bytes().replace(b"good_name", b"good\0name"))
    refused(archive, tmp_path, "no name of a file|damaged")


def test_a_file_where_a_folder_is_is_refused(tmp_path: Path) -> None:
    refused(write_tar(tmp_path / "a.tar", [("x", b""), ("x/y", b"")]), tmp_path, "cannot unpack")
    refused(write_zip(tmp_path / "a.zip", [("x/y", b""), ("x", b"")]), tmp_path, "cannot unpack")


def test_bombs_are_refused(tmp_path: Path) -> None:
    zeros = [("zeros", bytes(1 << 22))]
    limits = Limits(harmless_bytes=1 << 20)
    message = "unpacks to more than"
    refused(write_zip(tmp_path / "a.zip", zeros), tmp_path, message, limits)
    refused(write_tar(tmp_path / "a.tgz", zeros, "w:gz"), tmp_path, message, limits)
    assert unpack([tmp_path / "a.zip"], tmp_path / "fine") == 1


def test_a_bomb_behind_the_end_of_a_tar_is_refused(tmp_path: Path) -> None:
    import gzip

    archive = tmp_path / "a.tgz"
    write_tar(tmp_path / "a.tar", [("good", b"x")])
    archive.write_bytes(gzip.compress((tmp_path / "a.tar").read_bytes() + bytes(1 << 23)))
    refused(archive, tmp_path, "unpacks to more than", Limits(harmless_bytes=1 << 20))


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    long = special("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    archive = write_tar(tmp_path / "a.tgz", [(long, b"x" * (1 << 21)), ("x", b"")], "w:gz")
    refused(archive, tmp_path, "too many bytes", Limits(header_bytes=1 << 20))


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", [(f"{number}", b"") for number in range(5)])
    refused(archive, tmp_path, "holds more than 4 files and folders", Limits(members=4))
    assert unpack([archive], tmp_path / "to", limits=Limits(members=5)) == 5


def test_a_full_disk_is_said_before(tmp_path: Path) -> None:
    archive = KINDS["tar"](tmp_path / "a.tar")
    spare = shutil.disk_usage(tmp_path).total
    with pytest.raises(BadDataset, match="there is no room to unpack into"):
        unpack([archive], tmp_path / "to", limits=Limits(spare_bytes=spare))
    assert [one.name for one in tmp_path.iterdir()] == ["a.tar"]


@each_kind
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_archives_that_are_cut_off_are_refused(
    tmp_path: Path, write: Callable, share: float
) -> None:
    archive = write(tmp_path / "archive")
    data = archive.read_bytes().rstrip(b"\0")
    archive.write_bytes(data[: int(len(data) * share)])
    refused(archive, tmp_path, "is damaged, or not all of it is there")


def test_a_tar_cut_between_two_members_is_refused(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a.tar", [("1", b"x" * 512), ("2", b"x" * 512)])
    archive.write_bytes(archive.read_bytes()[:1024])
    refused(archive, tmp_path, "its end is missing")


@pytest.mark.parametrize("size", [512, 1 << 20])
def test_a_tar_is_not_read_by_half_where_a_header_is_damaged(tmp_path: Path, size: int) -> None:
    archive = write_tar(tmp_path / "a.tar", [("1", b"x" * size), ("2", b"x" * 512)])
    data = bytearray(archive.read_bytes())
    data[512 + size] ^= 1
    archive.write_bytes(data)
    refused(archive, tmp_path, "what describes a member cannot be read")


@pytest.mark.parametrize("size", [512, 1 << 20])
def test_tars_that_were_joined_are_refused_rather_than_read_by_half(
    tmp_path: Path, size: int
) -> None:
    one = write_tar(tmp_path / "a.tar", [("1", b"x" * size)]).read_bytes()
    (tmp_path / "a.tar").write_bytes(one + one)
    refused(tmp_path / "a.tar", tmp_path, "goes on behind its end")


@each_kind
def test_damaged_archives_never_end_in_a_traceback(tmp_path: Path, write: Callable) -> None:
    archive, rng = write(tmp_path / "archive"), random.Random(7)
    whole = archive.read_bytes()
    for number in range(40):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 3, 20])):
            end = len(data) if number % 2 else min(len(data), 600)
            data[rng.randrange(end)] = rng.randrange(256)
        archive.write_bytes(data)
        folder = tmp_path / "to" / str(number)
        try:
            unpack([archive], folder)
        except BadDataset:
            assert not folder.exists()
    shutil.rmtree(tmp_path / "to", ignore_errors=True)
    assert [one.name for one in tmp_path.iterdir()] == ["archive"]


def test_encrypted_zips_and_other_compressions_are_refused(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", [("secret", b"x" * 99)])
    whole = archive.read_bytes()
    central = whole.index(b"PK\x01\x02")

    def patched(local: int, directory: int, value: int) -> Path:
        data = bytearray(whole)
        struct.pack_into("<H", data, local, value)
        struct.pack_into("<H", data, central + directory, value)
        archive.write_bytes(data)
        return archive

    # The places of the flags and of the method in the two headers of a member.
    refused(patched(6, 8, 1), tmp_path, "is encrypted .'secret'.")
    refused(patched(8, 10, 9), tmp_path, "cannot be read here: .*bsdtar -xf")


@pytest.mark.parametrize(
    ("head", "names", "message"),
    [
        (b"Rar!\x1a\x07\x00", ["UCF 101.rar"], "unrar x '{0}' '{to}'/\nor with\n  mkdir -p"),
        (b"Rar!\x1a\x07\x01\x00", ["hmdb51_org.rar"], "unrar x {0} '{to}'/\nor with"),
        (b"7z\xbc\xaf\x27\x1c", ["a.7z"], "7z x {0} -o'{to}'"),
        (b"\x28\xb5\x2f\xfd", ["a.tar.zst"], "tar --zstd -xf {0} -C '{to}'"),
        (
            b"Rar!\x1a\x07\x00",
            ["walk.rar", "$(run).rar"],
            "for f in {0} '{1}'; do unrar x \"$f\" '{to}'/; done",
        ),
    ],
)
def test_what_python_cannot_read_is_refused_with_the_command(
    tmp_path: Path, head: bytes, names: list[str], message: str
) -> None:
    archives = [tmp_path / name for name in names]
    for one in archives:
        one.write_bytes(head + bytes(99))
    with pytest.raises(BadDataset) as caught:
        unpack(archives, tmp_path / "to it")
    assert message.format(*archives, to=tmp_path / "to it") in str(caught.value)
    loop = f"for f in '{tmp_path}/to it'/*.rar; do unrar x \"$f\" '{tmp_path}/to it'/; done"
    assert (loop in str(caught.value)) == (names[0] == "hmdb51_org.rar")


def test_a_name_like_an_option_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-rf.rar").write_bytes(b"Rar!\x1a\x07\x00")
    with pytest.raises(BadDataset, match=r"unrar x \./-rf\.rar \./-to/"):
        unpack([Path("-rf.rar")], Path("-to"))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    for name, data in {"a.zip": b"", "b.tar": bytes(10240), "c.txt": b"walk\n"}.items():
        (tmp_path / name).write_bytes(data)
        refused(tmp_path / name, tmp_path, "is no archive; give zip, tar")
    with pytest.raises(BadDataset, match=r"cannot read '.*nothing.zip'"):
        unpack([tmp_path / "nothing.zip"], tmp_path / "to")
    with pytest.raises(ConfigError, match="no archive was given"):
        unpack([], tmp_path / "to")


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    archive = KINDS["zip"](tmp_path / "a.zip")
    with pytest.raises(ConfigError, match=r"is not empty \('a.zip'\); give a new one"):
        unpack([archive], tmp_path)
    with pytest.raises(ConfigError, match=r"cannot unpack into .*Not a directory"):
        unpack([archive], archive)
    with pytest.raises(ConfigError, match=r"cannot (unpack|write) into"):
        unpack([archive], archive / "below")
