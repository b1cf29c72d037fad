"""Files are written whole or not at all, and an error says which."""

import errno

import pytest
from full_disk import full_disk

from twin_envs.base.files import as_text, write_files


def test_files_and_their_folders_are_written(tmp_path):
    files = {tmp_path / "a" / "b" / "one": b"1", tmp_path / "two": b"22"}
    write_files(files)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files


def test_if_one_file_cannot_be_written_none_is(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    write_files({one: b"old", two: b"old"})
    with full_disk(5000), pytest.raises(OSError, match="two") as error:
        write_files({one: b"new", two: bytes(6000)})
    assert (error.value.errno, error.value.filename) == (errno.EFBIG, str(two))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"one": b"old", "two": b"old"}


def test_a_folder_that_cannot_be_made_is_an_error_of_the_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as error:
        write_files({tmp_path / "file" / "x" / "y": b""})
    assert error.value.filename == str(tmp_path / "file" / "x" / "y")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a b/größe", "a b/größe"),
        (b"gr\xc3\xb6\xc3\x9fe".decode("ascii", "surrogateescape"), "größe"),
        ("\udcff", r"\xff"),
    ],
)
def test_a_path_is_a_text_that_a_file_can_hold(path, text):
    assert as_text(path) == text
    as_text(path).encode()
