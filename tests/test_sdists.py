"""The strict reading of sdists: nothing is extracted, and what would go wrong on extraction is refused before."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
import sys
import tarfile
import time
import tracemalloc
from pathlib import Path

import pytest

from builders.archives import EARLIEST, LATEST
from builders.errors import ArchiveError
from builders.sdists import LEGACY_BACKEND, LEGACY_REQUIRES, Sdist, read_sdist
from builders.terminal import visible
from tests import archive_makers as made
from tests.archive_cases import BAD_NAMES, BAD_SDISTS
from tests.archive_makers import TOP, member
from tests.disk import snapshot

FOLDER, LINK, HARD = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def refusal(folder: Path, data: bytes, filename: str = made.SDIST_NAME) -> str:
    """The reason with which these bytes are refused; the folder is the same afterwards."""
    path = folder / "blob"
    path.write_bytes(data)
    before = snapshot(folder)
    with pytest.raises(ArchiveError) as caught:
        read_sdist(path, filename=filename)
    assert (snapshot(folder), list(folder.iterdir())) == (before, [path])
    assert caught.value.hint
    return caught.value.reason


def reading(folder: Path, data: bytes, filename: str = made.SDIST_NAME) -> Sdist:
    """What these bytes are read as; nothing else appears on disk."""
    path = folder / "blob"
    path.write_bytes(data)
    before = snapshot(folder)
    sdist = read_sdist(path, filename=filename)
    assert (snapshot(folder), list(folder.iterdir())) == (before, [path])
    return sdist


def test_a_good_sdist_is_read_whole(tmp_path: Path) -> None:
    """Every field of the reading comes out of the sdist; the newest member gives the time."""
    assert reading(tmp_path, made.sdist_bytes()) == Sdist(
        top=TOP, build_requires=("flit_core>=3.2,<4",), build_backend="flit_core.buildapi", backend_path=(),
        newest=1_600_000_000,
    )  # fmt: skip


@pytest.mark.parametrize("case", BAD_SDISTS, ids=lambda case: case.id)
def test_a_bad_sdist_is_refused(case: made.Case, tmp_path: Path) -> None:
    """Each of these is a good sdist but for one thing; it is refused by that rule, under the file's name."""
    filename = case.filename or made.SDIST_NAME
    reason = refusal(tmp_path, case.make(), filename)
    assert reason.startswith(f"{visible(filename)}: ")
    assert case.says in reason
    assert "\n" not in reason
    assert "\x1b" not in reason


def test_each_case_has_its_own_id() -> None:
    """A failing run names one case."""
    assert len({case.id for case in BAD_SDISTS}) == len(BAD_SDISTS)


@pytest.mark.parametrize("key", [key for key in BAD_NAMES if key != "drive"])
def test_a_zip_keeps_to_the_same_names(key: str, tmp_path: Path) -> None:
    """S1, S14: an sdist as .zip gets no further with a bad name than one as .tar.gz."""
    files = {f"{TOP}/PKG-INFO": made.PKG_INFO, f"{TOP}/{BAD_NAMES[key]}": b"x"}
    assert "its " in refusal(tmp_path, made.body(made.parts_of(files)).ended(), "demo-1.0.zip")


@pytest.mark.parametrize(
    ("filename", "pack"),
    [
        ("demo-1.0.tar.gz", gzip.compress), ("demo-1.0.tgz", gzip.compress), ("demo-1.0.tar.bz2", bz2.compress),
        ("demo-1.0.tar.xz", lzma.compress), ("Demo-1.0.0.tar.gz", gzip.compress), ("DEMO-v1.0.tar.gz", gzip.compress),
    ],
)  # fmt: skip
def test_every_shape_that_projects_ship_is_read(filename: str, pack: object, tmp_path: Path) -> None:
    """gzip, bz2 and xz; names and versions not normalised."""
    assert callable(pack)
    for format_ in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        data = pack(made.tar_bytes(made.sdist_members(), format=format_))
        assert reading(tmp_path, data, filename).build_requires == ("flit_core>=3.2,<4",)


def test_a_zip_is_read(tmp_path: Path) -> None:
    """Old projects ship .zip; its time stamps are read as UTC."""
    files = {f"{TOP}/PKG-INFO": made.PKG_INFO, f"{TOP}/pyproject.toml": made.PYPROJECT, f"{TOP}/setup.py": b""}
    sdist = reading(tmp_path, made.body(made.parts_of(files)).ended(), "demo-1.0.zip")
    assert (sdist.top, sdist.build_backend, sdist.newest) == (TOP, "flit_core.buildapi", 1_735_689_600)


def test_the_wrong_suffix_is_refused(tmp_path: Path) -> None:
    """A bz2 that is called .tar.gz, a gzip that is called .zip: what a file says of itself must be so."""
    assert "is no .tar.gz" in refusal(tmp_path, bz2.compress(made.tar_bytes(made.sdist_members())))
    assert "not a zip file" in refusal(tmp_path, made.sdist_bytes(), "demo-1.0.zip")
    assert "is no .tar.xz" in refusal(tmp_path, made.sdist_bytes(), "demo-1.0.tar.xz")


@pytest.mark.parametrize(
    "more",
    [
        [member(f"{TOP}/a/b", type=LINK, linkname="../demo.py")],
        [member(f"{TOP}/a/b", type=LINK, linkname="nowhere")],
        [member(f"{TOP}/a", type=HARD, linkname=f"{TOP}/demo.py")],
        [member(f"{TOP}/d", type=FOLDER, mode=0o2755), member(f"{TOP}/d", type=FOLDER)],
        [member(f"./{TOP}/a.py"), member("./", type=FOLDER)],
        [member(f"{TOP}/{'long' * 40}/{'x' * 200}.py")],
        [member(f"{TOP}/d\u00e9j\u00e0.py"), member(f'{TOP}/it\'s "quoted" & <odd>.txt')],
    ],
)
def test_what_projects_ship_is_read(more: list[made.TarMember], tmp_path: Path) -> None:
    """Links that stay inside, folders said twice or setgid, './' before names, long names, names in other alphabets."""
    assert reading(tmp_path, made.sdist_bytes(*more)).top == TOP


def test_global_headers_are_read(tmp_path: Path) -> None:
    """Git archive writes one in front of everything."""
    header = made.raw_header(b"pax_global_header", size=17, type=b"g") + b"17 comment=abcde\n".ljust(512, b"\0")
    data = gzip.compress(header + made.tar_bytes(made.sdist_members()))
    assert reading(tmp_path, data).top == TOP


@pytest.mark.parametrize(
    ("pyproject", "requires", "backend"),
    [
        (None, LEGACY_REQUIRES, LEGACY_BACKEND),
        (b"[tool.black]\nline-length = 1\n", LEGACY_REQUIRES, LEGACY_BACKEND),
        (b"", LEGACY_REQUIRES, LEGACY_BACKEND),
        (b"a.b.c = '" + b"Up to 1.5, see a.b. " * 99 + b"." * 99 + b"' # 1.0\n", LEGACY_REQUIRES, LEGACY_BACKEND),
        (b'[build-system]\nrequires = ["setuptools"]\n', ("setuptools",), LEGACY_BACKEND),
        (b'[build-system]\nrequires = []\nbuild-backend = "demo:main"\nbackend-path = ["."]\n', (), "demo:main"),
        (b'[build-system]\nrequires = ["b; python_version<\'3\'", "a[c]>=1"]\n',
         ("b; python_version<'3'", "a[c]>=1"), LEGACY_BACKEND),
    ],
)  # fmt: skip
def test_the_build_system_is_read_as_the_standards_say(
    pyproject: bytes | None, requires: tuple[str, ...], backend: str, tmp_path: Path
) -> None:
    """PEP 517 and 518: without file or table, setuptools; a table without backend is setuptools in its old manner."""
    sdist = reading(tmp_path, made.sdist_bytes(pyproject=pyproject))
    assert (sdist.build_requires, sdist.build_backend) == (requires, backend)


@pytest.mark.parametrize(
    ("filename", "name", "version"),
    [
        ("PyYAML-5.4.1.tar.gz", "PyYAML", "5.4.1"),
        ("Foo.Bar-1.0.tar.gz", "Foo.Bar", "1.0"),
        ("foo-bar-baz-1.0.tar.gz", "foo_bar.baz", "1.0"),
        ("foo-1.0.0-1.tar.gz", "foo", "1.0.0.post1"),
        ("foo-1.0-1.tar.gz", "foo-1.0", "1"),
        ("foo-1.0.tar.gz", "foo", "1.0.0"),
    ],
)
def test_pkg_info_decides_between_readings_of_a_file_name(
    filename: str, name: str, version: str, tmp_path: Path
) -> None:
    """A dash may belong to the name or to the version; the two must agree in one way."""
    info = f"Metadata-Version: 1.0\nName: {name}\nVersion: {version}\n".encode()
    reading(tmp_path, made.sdist_bytes(pkg_info=info), filename)


@pytest.mark.parametrize(
    ("mtime", "newest"), [(0, EARLIEST), (1 << 40, LATEST), (-5, EARLIEST), (1_700_000_000.9, 1_700_000_000)]
)
def test_times_are_moved_into_what_a_zip_can_say(mtime: float, newest: int, tmp_path: Path) -> None:
    """SOURCE_DATE_EPOCH before 1980 breaks the zip of the wheel."""
    members = [*made.sdist_members(), member(f"{TOP}/late")]
    for info, _ in members:
        info.mtime = mtime
    assert reading(tmp_path, gzip.compress(made.tar_bytes(members))).newest == newest


def test_a_bomb_is_stopped_on_the_way(tmp_path: Path) -> None:
    """S8: 10 MB that would unpack to 10 GB: refused after 64 MiB, in a moment and little memory."""
    data = made.endless_gzip(10)
    tracemalloc.start()
    start = time.perf_counter()
    assert "a compression bomb" in refusal(tmp_path, data)
    assert time.perf_counter() - start < 10
    assert tracemalloc.get_traced_memory()[1] < 2 * len(data)
    tracemalloc.stop()


def test_members_without_end_are_stopped_on_the_way(tmp_path: Path) -> None:
    """S8: empty files by the hundred thousand take no room and much time; the first 100,000 are enough."""
    assert "more than 100000 members" in refusal(tmp_path, made.endless_members())


def test_every_cut_and_every_flipped_bit_is_noticed_or_harmless(tmp_path: Path) -> None:
    """A good sdist cut anywhere is refused; with one bit flipped it is refused, or read as the very same sdist."""
    data = made.sdist_bytes()
    plain = reading(tmp_path, data)
    for length in range(len(data)):
        refusal(tmp_path, data[:length])
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        try:
            assert reading(tmp_path, bytes(changed)) == plain
        except ArchiveError:
            continue
        assert at < 10, "only the header of the gzip (time, system) may change without notice"


@pytest.mark.network
def test_a_real_sdist_is_read(tmp_path: Path) -> None:
    """What a real project ships, with its backend in the tree."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "flit_core"]
    subprocess.run([*command, "--dest", str(tmp_path), "flit_core"], check=True)
    sdist = read_sdist(next(tmp_path.glob("*.tar.gz")))
    assert (sdist.build_requires, sdist.build_backend) == ((), "flit_core.buildapi")
