"""The command line as people use it: real files, real bad input, exit codes."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from functools import partial
from pathlib import Path

import pytest

from actionzoo.cli import main
from videos import video_bytes, write_pictures, write_sound

ASSETS = Path(__file__).parents[1] / "src" / "actionzoo" / "assets"
SAMPLE = ASSETS / "sample.mp4"
SAMPLE_LABEL = "jumping jack"


def run(capsys, *words):
    """Run a verb in this process; return its exit code, stdout and stderr."""
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def start(*words, **options):
    """Run a verb in a process of its own, which hears Ctrl-C even if the tests run behind."""
    command = [sys.executable, "-m", "actionzoo", *map(str, words)]
    hear = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=hear, **options)


def rows(out):
    return [json.loads(line) for line in out.splitlines()]


def test_the_sample_clip_is_recognised(capsys):
    code, out, err = run(capsys, "predict", SAMPLE, "--format", "jsonl")
    assert (code, err) == (0, "")
    (row,) = rows(out)
    assert list(row) == [
        "path",
        "model",
        "top_k",
        "views",
        "fps",
        "duration_seconds",
        "elapsed_seconds",
    ]
    assert row["top_k"][0]["label"] == SAMPLE_LABEL
    assert row["top_k"][0]["score"] > 0.9
    assert len(row["top_k"]) == 5


def test_the_default_is_a_table(capsys):
    code, out, _ = run(capsys, "predict", SAMPLE)
    assert code == 0
    assert SAMPLE_LABEL in out
    assert "figures10" in out


def test_scores_of_all_labels_sum_to_one(capsys):
    _, out, _ = run(capsys, "predict", SAMPLE, "--format", "json", "--top-k", "10")
    (row,) = json.loads(out)
    assert sum(one["score"] for one in row["top_k"]) == pytest.approx(1, abs=1e-4)
    assert sorted(one["class_index"] for one in row["top_k"]) == list(range(10))


@pytest.mark.parametrize(("clips", "crops"), [(1, 1), (4, 1), (2, 3), (1, 10)])
def test_clips_and_crops_make_views(capsys, clips, crops):
    words = ("predict", SAMPLE, "--clips", clips, "--crops", crops, "--format", "jsonl")
    _, out, _ = run(capsys, *words)
    assert rows(out)[0]["views"] == clips * crops


def test_paths_may_stand_on_both_sides_of_options(capsys, tmp_path):
    other = shutil.copy(SAMPLE, tmp_path / "other.mp4")
    _, out, _ = run(capsys, "predict", SAMPLE, "--format", "jsonl", other, "--top-k", 1)
    assert len(rows(out)) == 2


def test_the_output_file_chooses_the_format(capsys, tmp_path):
    file = tmp_path / "answers.csv"
    code, out, _ = run(capsys, "predict", SAMPLE, "--output", file, "--top-k", 1)
    assert (code, out) == (0, "")
    (row,) = csv.DictReader(io.StringIO(file.read_text()))
    assert row["label"] == SAMPLE_LABEL


def test_names_with_anything_in_them(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["a b.mp4", "quote\"'.mp4", "line\nbreak.mp4", "😀é.mp4", "-dash.mp4", "[bold].mp4"]
    for name in names:
        shutil.copy(SAMPLE, name)
    code, out, err = run(capsys, "predict", "--format", "jsonl", "--", *names)
    assert (code, err) == (0, "")
    assert sorted(row["path"] for row in rows(out)) == sorted(names)
    assert run(capsys, "predict", ".")[0] == 0


def test_one_bad_video_harms_no_other(capsys, tmp_path):
    good = shutil.copy(SAMPLE, tmp_path / "good.mp4")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no video")
    code, out, err = run(capsys, "predict", tmp_path, tmp_path / "missing.mp4", "--format", "jsonl")
    assert code == 1
    by_name = {Path(row["path"]).name: row for row in rows(out)}
    assert by_name["good.mp4"]["path"] == str(good)
    assert by_name["good.mp4"]["top_k"][0]["label"] == SAMPLE_LABEL
    for name in ("empty.mp4", "text.mp4", "missing.mp4"):
        assert by_name[name]["error"]["type"] == "CannotOpen"
        assert name in by_name[name]["error"]["message"]
        assert name in err
    assert len(err.strip().splitlines()) == 3


def test_a_run_can_stop_at_the_first_bad_video(capsys, tmp_path):
    code, out, _ = run(
        capsys, "predict", tmp_path / "a.mp4", SAMPLE, "--on-error", "stop", "--format", "jsonl"
    )
    assert code == 1
    assert any("error" in row for row in rows(out))


def test_an_unknown_model_suggests_the_nearest(capsys):
    code, out, err = run(capsys, "predict", SAMPLE, "--model", "figure10")
    assert (code, out) == (2, "")
    assert "did you mean 'figures10'?" in err
    assert len(err.splitlines()) == 1


def test_a_model_file_that_is_not_there_is_named(capsys, tmp_path):
    code, _, err = run(capsys, "predict", SAMPLE, "--model", tmp_path / "none.xml")
    assert code == 2
    assert "none.xml" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--top-k", "0"], "at least 1"),
        (["--crops", "5"], "invalid choice"),
        (["--clips", "two"], "at least 1"),
        (["--fps", "0"], "is no rate"),
        (["--format", "xml"], "invalid choice"),
        (["--frobnicate"], "unrecognized arguments"),
    ],
)
def test_wrong_usage_is_exit_code_2(capsys, words, said):
    with pytest.raises(SystemExit) as end:
        main(["predict", str(SAMPLE), *words])
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_no_verb_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2


def test_a_spec_file_that_is_none(capsys, tmp_path):
    (tmp_path / "spec.json").write_text("{}")
    code, _, err = run(capsys, "predict", SAMPLE, "--spec", tmp_path / "spec.json")
    assert code == 2
    assert "spec.json" in err


def test_an_output_that_cannot_be_written(capsys, tmp_path):
    code, _, err = run(capsys, "predict", SAMPLE, "--output", tmp_path / "no" / "a.json")
    assert code == 3
    assert "a.json" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full to play a full disk")
def test_a_full_disk_is_said_in_one_line():
    with open("/dev/full", "w") as full:
        process = start("predict", SAMPLE, "--format", "jsonl", stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert err.strip() == "actionzoo: cannot write the output: No space left on device"


def test_a_closed_pipe_ends_quietly():
    process = start("predict", SAMPLE, SAMPLE, "--format", "jsonl", stdout=subprocess.PIPE)
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, "")


def test_ctrl_c_keeps_what_is_done(tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text(f"{SAMPLE}\n" * 5000)
    output = tmp_path / "out.jsonl"
    process = start("predict", f"@{listed}", "--output", output, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (output.exists() and output.stat().st_size > 2000):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip() == "actionzoo: interrupted; what was done is kept"
    done = rows(output.read_text())
    assert 3 < len(done) < 5000
    assert {row["top_k"][0]["label"] for row in done} == {SAMPLE_LABEL}


def test_nothing_but_results_on_a_pipe():
    process = start("predict", SAMPLE, SAMPLE, "--format", "jsonl", stdout=subprocess.PIPE)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert len(rows(out)) == 2


def test_help_and_version_need_no_torch_and_nothing_heavy():
    code = (
        "import sys; from actionzoo.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'av', 'openvino', 'torch', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "predict" in done.stdout


def test_predicting_needs_no_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from actionzoo.cli import main\n"
        f"sys.exit(main(['predict', {str(SAMPLE)!r}, '--format', 'jsonl']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout)[0]["top_k"][0]["label"] == SAMPLE_LABEL


def test_a_missing_extra_is_the_line_to_type():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from actionzoo.cli import main\n"
        "sys.exit(main(['train', '.']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "actionzoo: training needs more packages: pip install 'actionzoo[train]'"
    )


def test_data_make_writes_clips_in_class_folders(capsys, tmp_path):
    code, out, _ = run(
        capsys, "data", "make", tmp_path / "figures", "--clips-per-class", 1, "--seed", 3
    )
    assert code == 0
    assert "10 clips" in out
    assert len(list(tmp_path.glob("figures/*/*.mp4"))) == 10


@pytest.fixture
def nobody():
    """Give up root's right to read everything, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        if not os.access(ASSETS, os.R_OK | os.X_OK, effective_ids=True):
            pytest.skip("the checkout lies where only root may read")
        yield
    finally:
        os.seteuid(0)


def test_a_video_without_permission(capsys, tmp_path, request):
    secret = shutil.copy(SAMPLE, tmp_path / "secret.mp4")
    os.chmod(secret, 0)
    run(capsys, "predict", SAMPLE)  # imports what nobody may read
    request.getfixturevalue("nobody")
    code, _, err = run(capsys, "predict", secret)
    assert code == 1
    assert err.strip() == f"actionzoo: cannot open {str(secret)!r}: Permission denied"


@pytest.fixture
def bad_folder(tmp_path):
    """One of every kind of broken video, and what is said of it; None where there is an answer."""
    sample = SAMPLE.read_bytes()
    flipped = bytearray(sample)
    middle = len(flipped) // 2
    flipped[middle : middle + 2000] = bytes(byte ^ 0xFF for byte in flipped[middle : middle + 2000])
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.txt", "a" * 1000)
    files = {
        "empty.mp4": (b"", "empty"),
        "text.mp4": (b"this is no video\n" * 100, "no video"),
        "zip.mp4": (zipped.getvalue(), "no video"),
        "header_only.mp4": (sample[:64], "cut off"),
        "flipped.mp4": (bytes(flipped), None),
        "half.mkv": (halved(video_bytes("matroska", numbers=range(60))), None),
        "half.avi": (halved(video_bytes("avi", numbers=range(600), codec="mpeg4")), None),
        "one_frame.mp4": (video_bytes(numbers=range(1)), None),
        "tiny.mp4": (video_bytes(height=16, width=16), None),
    }
    for name, (content, _) in files.items():
        (tmp_path / name).write_bytes(content)
    write_sound(tmp_path / "sound.mp4")
    pictures = write_pictures(tmp_path / "pictures", range(20))
    write_pictures(pictures, range(20, 40), height=64, width=96, name="later_{:05d}.jpg")
    said = {name: said for name, (_, said) in files.items()}
    return tmp_path, {**said, "sound.mp4": "no video", "pictures": "must have one shape"}


def halved(content):
    return content[: len(content) // 2]


def test_every_kind_of_bad_video_at_once(capsys, bad_folder):
    folder, expected = bad_folder
    shutil.copy(SAMPLE, folder / "good.mp4")
    code, out, err = run(capsys, "predict", folder, "--recursive", "--format", "jsonl")
    assert code == 1
    found = {Path(row["path"]).name: row for row in rows(out)}
    assert found.keys() == expected.keys() | {"good.mp4"}
    assert found["good.mp4"]["top_k"][0]["label"] == SAMPLE_LABEL
    for name, said in expected.items():
        row = found[name]
        if said is None:
            assert "top_k" in row, row
        else:
            message = row["error"]["message"]
            assert said in message
            assert name in message
            assert "\n" not in message
            assert message in err


def test_a_url_that_fails_harms_no_other(capsys, serve, tmp_path):
    shutil.copy(SAMPLE, tmp_path / "a.mp4")
    urls = [f"{serve}404/a.mp4", f"{serve}a.mp4", f"{serve}cut/a.mp4"]
    code, out, _ = run(capsys, "predict", *urls, "--format", "jsonl")
    assert code == 1
    by_path = {row["path"]: row for row in rows(out)}
    assert by_path.keys() == set(urls)
    assert by_path[urls[1]]["top_k"][0]["label"] == SAMPLE_LABEL
    assert "404" in by_path[urls[0]]["error"]["message"]
