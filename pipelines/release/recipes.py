"""The recipes of a release for package managers: a Homebrew formula and a conda recipe of its archives.

``python3 pipelines/release/recipes.py REPOSITORY [DIST]`` writes ``lsmi-etl.rb`` and ``recipe.yaml`` to the folder
DIST (default: dist), in which ``archive.sh`` has written the archives, one for each target, and their checksums.
Archives are expected at REPOSITORY/releases/download/vVERSION/, where ``cargo binstall`` looks for them, too.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

MANIFEST = Path(__file__).parents[2] / "Cargo.toml"
#: The targets that both package managers know, with Homebrew's blocks and conda's platform.
TARGETS = {
    "x86_64-unknown-linux-gnu": ("on_linux", "on_intel", "linux and x86_64"),
    "aarch64-unknown-linux-gnu": ("on_linux", "on_arm", "linux and aarch64"),
    "aarch64-apple-darwin": ("on_macos", "on_arm", "osx and arm64"),
    "x86_64-apple-darwin": ("on_macos", "on_intel", "osx and x86_64"),
}

FORMULA = """\
# Written by pipelines/release/recipes.py.
class LsmiEtl < Formula
  desc {description}
  homepage {repository}
  version "{version}"
  license "{license}"

{blocks}

  def install
    bin.install "lsmi-etl"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/lsmi-etl.bash" => "lsmi-etl"
    zsh_completion.install "completions/lsmi-etl.zsh" => "_lsmi-etl"
    fish_completion.install "completions/lsmi-etl.fish"
    pkgshare.install "THIRD-PARTY-LICENSES.txt", "lsmi-etl.cdx.json"
  end

  test do
    assert_match version.to_s, shell_output("#{{bin}}/lsmi-etl --version")
    system bin/"lsmi-etl", "demo", "--rows", "2000"
  end
end
"""

RECIPE = """\
# Written by pipelines/release/recipes.py; `rattler-build build --recipe recipe.yaml` makes the package.
schema_version: 1

package:
  name: lsmi-etl
  version: "{version}"

source:
{sources}

build:
  number: 0
  skip:
    - not ({platforms})
  script:
    - mkdir -p $PREFIX/bin $PREFIX/share/man/man1 $PREFIX/share/bash-completion/completions
    - mkdir -p $PREFIX/share/zsh/site-functions $PREFIX/share/fish/vendor_completions.d
    - cp lsmi-etl $PREFIX/bin/
    - cp man/*.1 $PREFIX/share/man/man1/
    - cp completions/lsmi-etl.bash $PREFIX/share/bash-completion/completions/lsmi-etl
    - cp completions/lsmi-etl.zsh $PREFIX/share/zsh/site-functions/_lsmi-etl
    - cp completions/lsmi-etl.fish $PREFIX/share/fish/vendor_completions.d/
  # The program stays that of the archive, and patchelf, which would have to come from a channel, is not needed.
  dynamic_linking:
    binary_relocation: false

{requirements}tests:
  - script:
      - lsmi-etl --version
      - lsmi-etl demo --rows 2000

about:
  homepage: {repository}
  summary: {description}
  license: {license}
  license_file:
    - LICENSE
    - THIRD-PARTY-LICENSES.txt
"""


@dataclass(frozen=True)
class Archive:
    """An archive of the release; ``glibc`` is the oldest version that its program runs with, of Linux."""

    name: str
    version: str
    target: str
    sha256: str
    glibc: str | None


def stop(message: str, code: int) -> NoReturn:
    """Ends the script with a message that says what to do."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)


def oldest_glibc(program: bytes) -> str | None:
    """The newest version of a symbol that the program asks of glibc; None where it asks for none."""
    minors = [int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)(?=[.\0])", program)]
    return f"2.{max(minors)}" if minors else None


def read(path: Path) -> Archive:
    """Reads an archive and compares it with its checksum."""
    match = re.fullmatch(r"lsmi-etl-(\d+\.\d+\.\d+[^-]*(?:-[a-z]+\.\d+)?)-(\w+-\w+-\w+(?:-\w+)?)\.tar\.gz", path.name)
    if match is None or match[2] not in TARGETS:
        stop(f"{path}: not an archive of a target that is known here ({', '.join(TARGETS)})", 65)
    version, target = match.groups()
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    checksum = path.with_name(f"{path.name}.sha256")
    if not checksum.is_file():
        stop(f"{checksum}: not found; make the archive again with pipelines/release/archive.sh", 66)
    if checksum.read_text().split()[:1] != [sha256]:
        stop(f"{path}: differs from {checksum.name}; make it again with pipelines/release/archive.sh", 65)
    try:
        with tarfile.open(path) as archive:
            program = archive.extractfile(f"{path.name.removesuffix('.tar.gz')}/lsmi-etl")
            glibc = oldest_glibc(program.read())
    except (KeyError, AttributeError, tarfile.TarError) as error:
        stop(f"{path}: holds no program: {error}", 65)
    return Archive(path.name, version, target, sha256, glibc)


def manifest_field(name: str) -> str:
    """A field of the package in Cargo.toml."""
    return re.search(rf'^{name} = "(.*)"$', MANIFEST.read_text(), re.MULTILINE)[1]


def formula(archives: list[Archive], repository: str, base: str) -> str:
    """The Homebrew formula; a system without an archive has no block, and Homebrew says so there."""
    systems: dict[str, list[str]] = {}
    for it in archives:
        system, processor, _ = TARGETS[it.target]
        lines = [f"    {processor} do", f'      url "{base}/{it.name}"', f'      sha256 "{it.sha256}"', "    end"]
        systems.setdefault(system, []).append("\n".join(lines))
    blocks = [f"  {system} do\n" + "\n".join(inner) + "\n  end" for system, inner in sorted(systems.items())]
    return FORMULA.format(
        description=json.dumps(short_description()),
        repository=json.dumps(repository),
        version=archives[0].version,
        license=manifest_field("license"),
        blocks="\n\n".join(blocks),
    )


def recipe(archives: list[Archive], repository: str, base: str) -> str:
    """The conda recipe, in the format of rattler-build."""
    sources, floors = [], []
    for it in archives:
        platform = TARGETS[it.target][2]
        sources += [f"  - if: {platform}", "    then:", f"      url: {base}/{it.name}", f"      sha256: {it.sha256}"]
        if it.glibc is not None:
            floors += [f"    - if: {platform}", f'      then: "__glibc >={it.glibc}"']
    return RECIPE.format(
        version=archives[0].version,
        sources="\n".join(sources),
        platforms=" or ".join(f"({TARGETS[it.target][2]})" for it in archives),
        requirements="requirements:\n  run:\n" + "\n".join(floors) + "\n\n" if floors else "",
        repository=json.dumps(repository),
        description=json.dumps(short_description()),
        license=manifest_field("license"),
    )


def short_description() -> str:
    """At most 80 characters and no full stop, as Homebrew wants them."""
    return "Sample-level redundancy, uniqueness and synergy of multimodal embeddings"


def main() -> None:
    """Writes both files."""
    if len(sys.argv) not in (2, 3) or not sys.argv[1].startswith("https://"):
        stop("usage: recipes.py REPOSITORY [DIST], where REPOSITORY begins with https://", 64)
    repository, dist = sys.argv[1].rstrip("/"), Path(sys.argv[2] if len(sys.argv) == 3 else "dist")
    archives = [read(path) for path in sorted(dist.glob("lsmi-etl-*.tar.gz"))]
    if not archives:
        stop(f"{dist}: no archives; make one with pipelines/release/archive.sh", 66)
    versions = sorted({it.version for it in archives})
    if len(versions) > 1:
        stop(f"{dist}: archives of {' and '.join(versions)}; leave those of one version", 65)
    base = f"{repository}/releases/download/v{versions[0]}"
    (dist / "lsmi-etl.rb").write_text(formula(archives, repository, base), encoding="utf-8")
    (dist / "recipe.yaml").write_text(recipe(archives, repository, base), encoding="utf-8")
    print(dist / "lsmi-etl.rb", dist / "recipe.yaml", sep="\n")
    missing = [target for target in TARGETS if target not in {it.target for it in archives}]
    if missing:
        print(f"note: no archive for {', '.join(missing)}; the recipes leave them out", file=sys.stderr)


if __name__ == "__main__":
    main()
