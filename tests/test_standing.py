"""How platforms stand, as the page for people tells it: from declarations, proofs and generations alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from builders import generations, standing
from builders.declarations import read_workspace
from builders.pipeline import Completed, all_completed, keep_completed
from builders.progress import Progress
from builders.yard import Yard

DECLARED = """\
platforms:
  - {image: 'debian:trixie', name: off, prove: false, packages: [six]}
  - {image: 'debian:trixie', name: on, packages: [six]}
  - {host: true, name: host, packages: [six]}
  - {image: 'debian:trixie', name: waiting, arch: arm64, packages: [six]}
"""


def yard_of(folder: Path, declared: str = DECLARED) -> Yard:
    (folder / "platforms.yaml").write_text(declared)
    return Yard(read_workspace(folder), Progress())


def completed(name: str, *wheels: str) -> Completed:
    sets = (("packages", wheels),)
    return Completed(name=name, python="3.13.5", tags=(), libc=None, sets=sets, wheels=wheels)


def publish(yard: Yard, *platforms: Completed) -> None:
    """What dodo.py does around a publication, at a second that the test chooses afterwards."""
    for one in platforms:
        keep_completed(yard, one)
    with generations.remembered(yard, sorted(platforms, key=lambda one: one.name)):
        pass


def no_record(fingerprint: str) -> None:
    raise AssertionError(f"nobody asks for {fingerprint}")


def test_why_a_platform_is_not_proven(tmp_path: Path) -> None:
    """Switched off, not possible, never done, not declared any more: each says so, and none counts as proven."""
    yard = yard_of(tmp_path)
    publish(yard, *(completed(name) for name in ("off", "on", "host", "former")))
    told = standing.standings(yard, all_completed(yard), no_record)  # type: ignore[arg-type]
    assert {name: (one.image, one.proven, one.unproven) for name, one in told.items()} == {
        "off": ("debian:trixie", False, "proving is switched off for it (prove: false)"),
        "on": ("debian:trixie", False, "there is no proof of these wheels on the image as it is now"),
        "host": ("this machine", False, "on a host, proving takes sandbox: none"),
        "former": ("", False, "platforms.yaml does not name it any more; what was published stays"),
    }
    assert standing.incomplete(yard) == ("waiting",)


def test_a_platform_changed_with_its_last_change(tmp_path: Path) -> None:
    """What only another platform's wheels changed is no change of this one; the way back brings back the time too."""
    yard = yard_of(tmp_path)
    off, on = completed("off"), completed("on")
    changed = []
    for number, pair in enumerate([(off, on), (off, replace(on, python="3.13.6")), (off, on)]):
        publish(yard, *pair)
        path = yard.folder / "generations" / f"{number + 1:06}.json"
        at = generations.generations(yard)[-1].at
        path.write_text(path.read_text().replace(str(at), str(86400.0 * number)))
        told = standing.standings(yard, all_completed(yard), no_record)  # type: ignore[arg-type]
        changed.append((told["off"].changed, told["on"].changed))
    first, second = "1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"
    assert changed == [(first, first), (first, second), (first, first)]


def test_the_digest_follows_what_the_page_says(tmp_path: Path) -> None:
    """Another image, another `prove`, another platform, another proof: each makes public/ out of date."""
    digests = [standing.digest(yard_of(tmp_path))]
    digests.append(standing.digest(yard_of(tmp_path, DECLARED.replace("prove: false, ", ""))))
    digests.append(standing.digest(yard_of(tmp_path, DECLARED.replace("trixie', name: on", "bookworm', name: on"))))
    digests.append(standing.digest(yard_of(tmp_path, DECLARED.rpartition("  - ")[0])))
    yard = yard_of(tmp_path)
    (yard.folder / "proofs").mkdir(parents=True)
    (yard.folder / "proofs" / "on.json").write_text("[]")
    digests.append(standing.digest(yard))
    assert len(set(digests)) == 5
    assert standing.digest(yard_of(tmp_path)) == digests[-1]
