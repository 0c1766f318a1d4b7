"""The inventory of a release: its dependencies as CycloneDX JSON, and the texts of their licences.

``python3 pipelines/release/inventory.py TARGET DIR [FEATURES]`` writes ``lsmi-etl.cdx.json`` and
``THIRD-PARTY-LICENSES.txt`` to a folder, for the dependencies that a build for TARGET with FEATURES links. It
reads ``cargo metadata`` and the sources that cargo has downloaded.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
#: Beginnings of the names of files that hold a licence.
LICENCE_FILES = ("license", "licence", "copying", "notice", "unlicense", "copyright")


def linked(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """The packages that the program is made of: without those of tests and of the build."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    found, todo = set(), [root]
    while todo:
        package = todo.pop()
        if package in found:
            continue
        found.add(package)
        for dependency in nodes[package]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                todo.append(dependency["pkg"])
    packages = [package for package in metadata["packages"] if package["id"] in found - {root}]
    return sorted(packages, key=lambda package: (package["name"], package["version"]))


def expression(package: dict[str, Any]) -> str:
    """The licence of a package as an SPDX expression; the slash is how older manifests write OR."""
    return " OR ".join(part.strip() for part in package["license"].split("/"))


def component(package: dict[str, Any], checksums: dict[tuple[str, str], str]) -> dict[str, Any]:
    """A package as a component of CycloneDX."""
    name, version = package["name"], package["version"]
    purl = f"pkg:cargo/{name}@{version}"
    entry: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "licenses": [{"expression": expression(package)}],
    }
    if (name, version) in checksums:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksums[name, version]}]
    return entry


def locked_checksums() -> dict[tuple[str, str], str]:
    """The SHA-256 of every package of a registry, by name and version, from Cargo.lock."""
    checksums, fields = {}, {}
    for line in (REPOSITORY / "Cargo.lock").read_text().splitlines():
        key, _, value = line.partition(" = ")
        if line == "[[package]]":
            fields = {}
        elif key in ("name", "version", "checksum"):
            fields[key] = value.strip('"')
            if key == "checksum":
                checksums[fields["name"], fields["version"]] = fields[key]
    return checksums


def licence_texts(packages: list[dict[str, Any]]) -> str:
    """The licence files of all packages; texts that several packages share stand once."""
    texts: dict[str, tuple[str, list[str]]] = {}
    without = []
    for package in packages:
        folder = Path(package["manifest_path"]).parent
        title = f"{package['name']} {package['version']} ({expression(package)})"
        files = [path for path in sorted(folder.iterdir()) if path.name.lower().startswith(LICENCE_FILES)]
        files = [path for path in files if path.is_file()]
        if not files:
            without.append(title)
        for path in files:
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            texts.setdefault(hashlib.sha256(text.encode()).hexdigest(), (text, []))[1].append(title)
    rule = "=" * 80
    parts = [f"{rule}\n" + "\n".join(titles) + f"\n{rule}\n\n{text}\n" for text, titles in texts.values()]
    if without:
        parts.append(f"{rule}\nPackages that hold no text of their licence:\n" + "\n".join(without) + "\n")
    return "\n".join(parts)


def main() -> None:
    """Writes both files."""
    target, folder = sys.argv[1], Path(sys.argv[2])
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    command += ["--features", ",".join(sys.argv[3:])]
    made = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE)
    metadata = json.loads(made.stdout)
    packages, checksums = linked(metadata), locked_checksums()
    root = next(it for it in metadata["packages"] if it["id"] == metadata["resolve"]["root"])
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**component(root, {}), "type": "application"}},
        "components": [component(package, checksums) for package in packages],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lsmi-etl.cdx.json").write_text(json.dumps(bom, indent=1) + "\n")
    (folder / "THIRD-PARTY-LICENSES.txt").write_text(licence_texts(packages), encoding="utf-8")


if __name__ == "__main__":
    main()
