"""The file YearPredictionMSD: read from all its forms, checked line by line, cached, downloaded."""

import gzip
import hashlib
import io
import os
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml.data import load_year_prediction_msd, parsed_tables, year_prediction

GENUINE = Path(__file__).parents[2] / "shared/data/YearPredictionMSD-5000.txt"


def songs(rows, rng):
    """Lines of a file, and what they hold."""
    table = np.column_stack((rng.integers(1922, 2012, rows), np.round(rng.normal(0, 300, (rows, 90)), 5)))
    return [f"{row[0]:.0f}," + ",".join(f"{x:.5f}" for x in row[1:]) for row in table.tolist()], table


def zipped(text, names=("YearPredictionMSD.txt",)):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, text)
    return file.getvalue()


def encrypted(archive):
    """With the bits that say so in both headers of its only file."""
    changed = bytearray(archive)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        changed[changed.index(signature) + offset] |= 1
    return bytes(changed)


@pytest.fixture
def small_chunks(monkeypatch):
    """Three lines or so at a time."""
    monkeypatch.setattr(parsed_tables, "CHUNK_BYTES", 2000)


HEADER = ",".join(["year", *(f"timbre{i}" for i in range(90))])
FORMS = {
    "a.txt": lambda lines: "\n".join(lines).encode() + b"\n",
    "no end of line.txt": lambda lines: "\n".join(lines).encode(),
    "windows.csv": lambda lines: "\r\n".join(lines).encode() + b"\r\n",
    "header.csv": lambda lines: "\n".join([HEADER, *lines]).encode(),
    "mark.csv": lambda lines: "\n".join(lines).encode("utf-8-sig"),
    "empty lines.txt": lambda lines: b"\n" + "\n\n".join(lines).encode() + b"\n" * 5000,
    "a.zip": lambda lines: zipped("\n".join(lines)),
    "folder.zip": lambda lines: zipped("\n".join(lines), ("data/", "data/songs.csv", "readme.md", "__MACOSX/._a.txt")),
    "a.txt.gz": lambda lines: gzip.compress("\n".join(lines).encode()),
    "a zip without its suffix": lambda lines: zipped("\n".join(lines)),
}


@pytest.mark.parametrize("name", FORMS)
def test_all_forms_hold_the_same(name, rng, tmp_path, small_chunks):
    lines, table = songs(23, rng)
    (tmp_path / name).write_bytes(FORMS[name](lines))
    data = load_year_prediction_msd(tmp_path / name)
    assert np.array_equal(data.X, table[:, 1:]) and data.X.dtype == np.float64
    assert np.array_equal(data.year, table[:, 0]) and data.year.dtype == np.int64
    assert data.artist is None


def write(folder, lines):
    path = folder / "songs.txt"
    path.write_text("\n".join(lines), "utf-8")
    return path


def changed(line, column, value):
    fields = line.split(",")
    fields[column] = value
    return ",".join(fields)


WRONG = {
    "there are 90 columns in place of 91": lambda line: line.rpartition(",")[0],
    "there are 92 columns in place of 91": lambda line: line + ",1",
    "there are 1 columns in place of 91": lambda line: "<html>",
    "column 5 is 'abc', which is no number": lambda line: changed(line, 4, "abc"),
    "column 91 is '', which is no number": lambda line: changed(line, 90, ""),
    "column 2 is nan, and numbers must be finite": lambda line: changed(line, 1, "nan"),
    "column 3 is -inf, and numbers must be finite": lambda line: changed(line, 2, "-inf"),
    "column 3 is inf, and numbers must be finite": lambda line: changed(line, 2, "1e999"),
    "column 1 is 1899, which is no year from 1900 to 2100": lambda line: changed(line, 0, "1899"),
    "column 1 is 2101, which is no year from 1900 to 2100": lambda line: changed(line, 0, "2101"),
    "column 1 is 1999.5, which is no year from 1900 to 2100": lambda line: changed(line, 0, "1999.5"),
    "column 7 is '1_000', which is no number": lambda line: changed(line, 6, "1_000"),
    "column 7 is '１', which is no number": lambda line: changed(line, 6, "１"),
    "column 8 is '\"5\"', which is no number": lambda line: changed(line, 7, '"5"'),
}


@pytest.mark.parametrize("number", [1, 2, 17, 23])
@pytest.mark.parametrize("message", WRONG)
def test_the_line_that_is_wrong_is_named(message, number, rng, tmp_path, small_chunks):
    lines, _ = songs(23, rng)
    lines[number - 1] = WRONG[message](lines[number - 1])
    path = write(tmp_path, lines)
    with pytest.raises(ValueError, match=rf"songs\.txt, line {number}: {message}; every line must be a year and 90"):
        load_year_prediction_msd(path)
    assert os.listdir(tmp_path) == ["songs.txt"], "nothing half is left"


def test_headers_and_empty_lines_count(rng, tmp_path, small_chunks):
    lines, _ = songs(20, rng)
    lines[10] = changed(lines[10], 0, "20010")
    with pytest.raises(ValueError, match="line 14: column 1 is 20010, which is no year"):
        load_year_prediction_msd(write(tmp_path, [HEADER, "", *lines[:5], "  ", *lines[5:]]))


def test_the_first_line_after_a_header_can_be_wrong(rng, tmp_path):
    with pytest.raises(ValueError, match=r"line 2: there are 90 columns"):
        load_year_prediction_msd(write(tmp_path, [HEADER, *[line.rpartition(",")[0] for line in songs(3, rng)[0]]]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no rows"),
        (b"\n \n", "holds no rows"),
        (HEADER.encode(), "holds no rows"),
        (zipped("", ("a.txt", "b.csv")), r"holds \['a.txt', 'b.csv'\], and must hold one .txt or .csv file; unpack"),
        (zipped("", ("a.pdf",)), r"holds \['a.pdf'\], and must hold one"),
        (zipped("\n".join([HEADER] * 9))[:-9], "is damaged: File is not a zip file; fetch it again"),
        (gzip.compress(os.urandom(900))[:-100], "is damaged: .*; fetch it again"),
        (gzip.compress(b"1999")[:-8] + b"\0" * 8, "is damaged: CRC check failed"),
        (encrypted(zipped("1999")), "cannot be unpacked: .*encrypted.*; unpack it first"),
    ],
)
def test_files_that_hold_no_songs(content, message, tmp_path):
    path = tmp_path / "songs"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"load_year_prediction_msd: .*songs.* {message}"):
        load_year_prediction_msd(path)
    assert os.listdir(tmp_path) == ["songs"]


def test_a_file_is_parsed_once_and_then_mapped(rng, tmp_path, monkeypatch):
    lines, table = songs(12, rng)
    path = write(tmp_path, lines)
    load_year_prediction_msd(path)
    monkeypatch.setattr(parsed_tables, "_tables", None)
    data = load_year_prediction_msd(path)
    assert isinstance(data.X, np.memmap) and data.X.flags.c_contiguous
    assert np.array_equal(data.X, table[:, 1:]) and np.array_equal(data.year, table[:, 0])
    with pytest.raises(ValueError, match="read-only"):
        data.X[0, 0] = 1


def test_a_file_that_changed_is_parsed_anew(rng, tmp_path):
    lines, table = songs(12, rng)
    path = write(tmp_path, lines)
    load_year_prediction_msd(path)
    write(tmp_path, lines[::-1])
    os.utime(path, ns=(1, 1))
    assert np.array_equal(load_year_prediction_msd(path).X, table[::-1, 1:])


def test_a_cache_that_was_cut_is_not_used(rng, tmp_path):
    path = write(tmp_path, songs(12, rng)[0])
    load_year_prediction_msd(path)
    (parsed,) = tmp_path.glob("*.float64")
    whole = parsed.read_bytes()
    # A file cut by whole rows had a size that fits, and features for years.
    for cut in (8, 2 * 91 * 8):
        parsed.write_bytes(whole[:-cut])
        with pytest.raises(ValueError, match=r"\.float64 is damaged; delete it"):
            load_year_prediction_msd(path)


def test_where_the_cache_is(rng, tmp_path, monkeypatch):
    source, given, default = (tmp_path / name for name in ("source", "given/deep", "default"))
    source.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(default))
    path = write(source, songs(12, rng)[0])
    load_year_prediction_msd(path, cache=given)
    assert [file.suffix for file in given.iterdir()] == [".float64"] and list(source.iterdir()) == [path]
    load_year_prediction_msd(str(path))
    assert len(list(source.glob("*.float64"))) == 1 and not default.exists()
    monkeypatch.setattr(os, "access", lambda folder, mode: False)
    load_year_prediction_msd(path)
    assert [file.suffix for file in (default / "tinygrad_ml").iterdir()] == [".float64"]


def test_the_default_cache_is_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        load_year_prediction_msd()
    assert str(tmp_path / ".cache" / "tinygrad_ml" / "yearpredictionmsd.zip") in str(caught.value)


def test_shorter_files_are_split_in_the_official_proportion(rng, tmp_path):
    data = load_year_prediction_msd(write(tmp_path, songs(100, rng)[0]))
    assert (data.train, data.test) == (slice(0, 90), slice(90, 100))
    assert data.split == "in the official proportion; the whole file has 515,345 rows"
    assert "100 songs" in repr(data) and "90 rows to train, 10 to test: in the official proportion" in repr(data)


def test_the_whole_file_is_split_officially(tmp_path):
    path = tmp_path / "whole.txt"
    path.write_bytes(b"")
    status = path.stat()
    with open(tmp_path / f"{path.name}-0-{status.st_mtime_ns}.float64", "wb") as parsed:
        parsed.seek(515_345 * 90 * 8)
        parsed.write(np.full(515_345, 2000.0).data)
    data = load_year_prediction_msd(path)
    assert (data.train, data.test) == (slice(0, 463_715), slice(463_715, 515_345))
    assert data.split == "the official split"


def test_batches_of_a_file(rng, tmp_path):
    lines, table = songs(50, rng)
    data = load_year_prediction_msd(write(tmp_path, lines))
    batches = list(tg.data.minibatches(data.X[data.train], data.year[data.train], batch_size=8, rng=rng))
    rows = np.concatenate([np.column_stack((year, X)) for X, year in batches])
    assert np.array_equal(np.unique(rows, axis=0), np.unique(table[:45], axis=0))


@pytest.mark.skipif(not GENUINE.exists(), reason="the genuine rows are not at hand")
def test_genuine_rows(tmp_path):
    table = np.loadtxt(GENUINE, delimiter=",")
    data = load_year_prediction_msd(GENUINE, cache=tmp_path)
    assert np.array_equal(data.X, table[:, 1:]) and np.array_equal(data.year, table[:, 0])
    assert len(data) == 5000 and data.train.stop == 4499
    train, test = tg.data.standardize(data.X[data.train], data.X[data.test])
    assert np.abs(train.mean(0)).max() < 1e-12 and np.abs(test.mean(0)).max() < 0.5


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"path": "nowhere.txt"}, FileNotFoundError, "no file nowhere.txt; let download=True fetch it, or fetch https"),
        ({"cache": "nowhere"}, FileNotFoundError, "no file nowhere.yearpredictionmsd.zip; let download=True"),
        ({"path": "a.txt", "download": True}, ValueError, "give a path or download=True, not both"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=f"load_year_prediction_msd: .*{message}"):
        load_year_prediction_msd(**arguments)


def test_the_checksum_of_a_given_file_is_compared(rng, tmp_path):
    path = write(tmp_path, songs(12, rng)[0])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(load_year_prediction_msd(path, sha256=digest.upper())) == 12
    with pytest.raises(ValueError, match=f"songs.txt has the sha256 checksum {digest} in place of 00: it is another"):
        load_year_prediction_msd(path, sha256="00")


class Site:
    """A web server on this machine: what it answers, and how often it was asked."""

    def __init__(self):
        self.content, self.length, self.status, self.asked = b"", None, 200, 0
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.asked += 1
                self.send_response(site.status)
                if site.length != "untold":
                    self.send_header("Content-Length", str(site.length or len(site.content)))
                self.end_headers()
                self.wfile.write(site.content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/songs.zip"


@pytest.fixture
def site(monkeypatch):
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(year_prediction, "URL", site.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


@pytest.mark.parametrize("length", [None, "untold"])
def test_a_download_with_a_checksum(length, site, rng, tmp_path):
    lines, table = songs(12, rng)
    site.content, site.length = zipped("\n".join(lines)), length
    digest = hashlib.sha256(site.content).hexdigest()
    data = load_year_prediction_msd(cache=tmp_path / "new", download=True, sha256=digest)
    assert np.array_equal(data.X, table[:, 1:])
    folder = tmp_path / "new"
    assert (folder / "yearpredictionmsd.zip.sha256").read_text() == f"{digest}  yearpredictionmsd.zip\n"
    assert len(list(folder.iterdir())) == 3, "the archive, its checksum, and the parsed file"
    for download in (True, False):
        assert len(load_year_prediction_msd(cache=folder, download=download)) == 12
    assert site.asked == 1


def test_a_download_without_a_checksum_must_have_all_rows(site, rng, tmp_path, monkeypatch):
    site.content = zipped("\n".join(songs(12, rng)[0]))
    with pytest.raises(ValueError, match="holds 12 rows in place of 515,345; give its sha256 if"):
        load_year_prediction_msd(cache=tmp_path, download=True)
    assert not (tmp_path / "yearpredictionmsd.zip").exists()
    monkeypatch.setattr(year_prediction, "ROWS", 12)
    data = load_year_prediction_msd(cache=tmp_path, download=True)
    assert len(data) == 12 and data.split == "the official split"
    assert (tmp_path / "yearpredictionmsd.zip.sha256").exists()


def test_later_downloads_and_uses_are_compared_with_the_first(site, rng, tmp_path):
    archive = tmp_path / "yearpredictionmsd.zip"
    lines, _ = songs(12, rng)
    site.content = zipped("\n".join(lines))
    digest = hashlib.sha256(site.content).hexdigest()
    load_year_prediction_msd(cache=tmp_path, download=True, sha256=digest)
    archive.write_bytes(site.content + b"more")
    with pytest.raises(ValueError, match=f"in place of {digest}: delete .*yearpredictionmsd.zip to download it again"):
        load_year_prediction_msd(cache=tmp_path)
    archive.unlink()
    site.content = zipped("\n".join(lines[::-1]))
    with pytest.raises(ValueError, match=f"in place of {digest}: what is at {site.url} is not what was expected"):
        load_year_prediction_msd(cache=tmp_path, download=True)
    assert not archive.exists()


def test_a_page_in_place_of_the_file_is_not_kept(site, tmp_path):
    site.content = b"<html>Please log in</html>"
    with pytest.raises(ValueError, match="line 1: there are 1 columns"):
        load_year_prediction_msd(cache=tmp_path, download=True)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_was_there_is_not_deleted(rng, tmp_path):
    archive = tmp_path / "yearpredictionmsd.zip"
    archive.write_bytes(zipped("\n".join(songs(3, rng)[0])))
    with pytest.raises(ValueError, match="holds 3 rows in place of 515,345"):
        load_year_prediction_msd(cache=tmp_path)
    assert archive.exists()


def test_a_download_that_breaks_off(site, rng, tmp_path):
    site.content, site.length = b"x" * 100, 200
    with pytest.raises(ConnectionError, match=f"download of {site.url} ended after 100 of 200 bytes; try again"):
        load_year_prediction_msd(cache=tmp_path, download=True)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_is_refused(site, tmp_path):
    site.status = 404
    with pytest.raises(ConnectionError, match="cannot be downloaded: HTTP Error 404.*; fetch it where there is"):
        load_year_prediction_msd(cache=tmp_path, download=True)
    assert list(tmp_path.iterdir()) == []


def test_no_network(site, tmp_path):
    site.server.shutdown()
    site.server.server_close()
    with pytest.raises(ConnectionError, match="cannot be downloaded: .*refused"):
        load_year_prediction_msd(cache=tmp_path, download=True)
