"""What has to be uploaded, as data."""

import hashlib
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync.errors import FlyteInvalidInputException, FlyteUsageError
from flyteasync.idl import core
from flyteasync.literals import (
    Access,
    Converted,
    FlyteDirectory,
    FlyteFile,
    FlytePickle,
    Upload,
    convert,
    literal_map,
    literal_type,
    to_python,
)


@dataclass
class Record:
    file: FlyteFile
    files: list[FlyteFile]
    directory: FlyteDirectory | None = None


def converted(value: Any, python_type: Any, **options: Any) -> Converted:
    return convert({"x": value}, {"x": core.Variable(type=literal_type(python_type))}, **options)


def md5(text: str) -> bytes:
    return hashlib.md5(text.encode()).digest()


def test_each_local_path_is_an_upload_that_names_its_place_in_the_value():
    record = Record(FlyteFile("/tmp/a"), [FlyteFile("s3://b/f"), FlyteFile(Path("/tmp/b"))], FlyteDirectory("/tmp/d"))
    uploads = converted([record], list[Record]).uploads
    assert [(upload.name, upload.source, upload.shape) for upload in uploads] == [
        ("x[0].file", "/tmp/a", "file"),
        ("x[0].files[1]", "/tmp/b", "file"),
        ("x[0].directory", "/tmp/d", "directory"),
    ]


def test_converting_again_with_the_uris_gives_the_literals():
    record = Record(FlyteFile("/tmp/a"), [FlyteFile("/tmp/b")])
    first = converted(record, Record)
    done = {upload.key: f"s3://b/{number}" for number, upload in enumerate(first.uploads)}
    again = converted(record, Record, uploaded=done)
    assert again.uploads == ()
    value = to_python(again.complete().literals["x"], Record)
    assert value == Record(FlyteFile("s3://b/0"), [FlyteFile("s3://b/1")])


def test_what_is_given_twice_is_uploaded_once():
    files = [FlyteFile("/tmp/a"), FlyteFile("/tmp/../tmp/a"), "/tmp/a"]
    first = converted(files, list[FlyteFile])
    [upload] = first.uploads
    again = converted(files, list[FlyteFile], uploaded={upload.key: "s3://b/a"}).complete()
    assert to_python(again.literals["x"]) == [FlyteFile("s3://b/a")] * 3


def test_without_uploads_the_literals_are_complete_at_once():
    done = converted("s3://b/f", FlyteFile)
    assert done.uploads == ()
    assert to_python(done.complete().literals["x"]) == FlyteFile("s3://b/f")


def test_literals_that_need_uploads_are_refused_by_those_who_cannot_upload():
    text = r"^x\[0\]: the local path /tmp/a has to be uploaded first \(and 1 more\), which is not done here"
    with pytest.raises(FlyteUsageError, match=text):
        converted(["/tmp/a", "/tmp/b"], list[FlyteFile]).complete()
    with pytest.raises(FlyteUsageError, match="has to be uploaded first"):
        literal_map({"x": "/tmp/a"}, {"x": core.Variable(type=literal_type(FlyteFile))})


def test_members_of_a_union_that_were_tried_in_vain_need_no_uploads():
    python_type = list[FlyteFile] | list[int | FlyteFile]
    assert [upload.name for upload in converted([1, FlyteFile("/tmp/a")], python_type).uploads] == ["x[1]"]
    assert converted(["/tmp/a", 3], list[FlyteFile] | list[int | str]).uploads == ()


def test_a_destination_is_kept():
    [upload] = converted(FlyteFile("/tmp/a", remote_path="s3://b/there"), FlyteFile).uploads
    assert upload.destination == "s3://b/there"
    other = FlyteFile("/tmp/a", remote_path="s3://b/elsewhere")
    assert len(converted([FlyteFile("/tmp/a"), other], list[FlyteFile]).uploads) == 2


def test_a_value_is_pickled_if_that_is_asked_for():
    [upload] = converted({1, 2}, FlytePickle, type_hints={"x": FlytePickle}).uploads
    assert not isinstance(upload.source, str)
    assert pickle.loads(upload.source.make()) == {1, 2}
    assert converted({1, 2}, FlytePickle, access=Access(allow_pickle=True)).uploads


# Where uploads go ...


def test_a_file_goes_to_a_place_that_its_content_decides():
    upload = Upload("x", "/tmp/a.csv", "file")
    [location] = upload.locations({"a.csv": md5("content")})
    assert (location.filename, location.filename_root, location.content_md5) == ("a.csv", "", md5("content"))
    assert upload.uri({"a.csv": "s3://b/ABC/a.csv"}) == "s3://b/ABC/a.csv"


def test_a_directory_goes_to_one_place_that_its_contents_decide():
    upload = Upload("x", "/tmp/d", "directory")
    digests = {"a": md5("1"), "sub/b": md5("2")}
    locations = upload.locations(digests)
    assert [(location.filename, location.content_md5) for location in locations] == list(digests.items())
    assert len({location.filename_root for location in locations}) == 1
    assert upload.locations(dict(reversed(digests.items()))) == locations
    assert upload.uri({"a": "s3://b/root/a", "sub/b": "s3://b/root/sub/b"}) == "s3://b/root"
    assert upload.uri({"sub/b": "s3://b/root/sub/b", "a": "s3://b/root/a"}) == "s3://b/root"


@given(st.dictionaries(st.text(min_size=1), st.binary(min_size=16, max_size=16), min_size=1, max_size=4), st.data())
def test_other_contents_go_to_another_place(digests: dict[str, bytes], data: st.DataObject):
    upload = Upload("x", "/tmp/d", "directory")
    changed = dict(digests)
    changed[data.draw(st.sampled_from(sorted(digests)))] = data.draw(st.binary(min_size=16, max_size=16))
    same = upload.locations(digests)[0].filename_root == upload.locations(changed)[0].filename_root
    assert same is (changed == digests)


@pytest.mark.parametrize(("shape", "count"), [("file", 0), ("file", 2), ("directory", 0)])
def test_an_upload_of_another_number_of_files_is_refused(shape: Any, count: int):
    digests = {str(number): md5("") for number in range(count)}
    with pytest.raises(FlyteInvalidInputException, match=f"^x: the local path /tmp/d has {count} files to upload$"):
        Upload("x", "/tmp/d", shape).locations(digests)
