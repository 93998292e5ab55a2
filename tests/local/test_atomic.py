"""Files that a running program watches."""

from authz.local import atomic


def test_a_new_text_takes_the_place_of_the_old_and_leaves_no_draft(tmp_path):
    for text in ("old", "new"):
        atomic.write(tmp_path / "file", text)
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", text)]


def test_a_reader_keeps_what_it_has_opened(tmp_path):
    atomic.write(tmp_path / "file", "old")
    with (tmp_path / "file").open() as opened:
        atomic.write(tmp_path / "file", "new")
        assert opened.read() == "old"


def test_the_same_text_is_no_change(tmp_path):
    atomic.write(tmp_path / "file", "text")
    before = (tmp_path / "file").stat()
    atomic.write(tmp_path / "file", "text")
    assert (tmp_path / "file").stat().st_ino == before.st_ino
