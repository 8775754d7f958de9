#!/usr/bin/env python3
"""Lists the parts of a program: their licence texts, or a CycloneDX document.

    parts.py licences --features browse,parquet
    parts.py cyclonedx --features default --libpcap target/release-work/libpcap

The parts are the crates that are compiled into the program for x86-64 Linux, as Cargo.lock has them, and what is linked
beside them: the standard library, glibc and, with the feature live, libpcap.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import uuid

TARGET = "x86_64-unknown-linux-gnu"
ROOT = pathlib.Path(__file__).resolve().parents[2]
# Files in which crates keep their licences.
NAMES = ("licen", "copying", "copyright", "notice", "unlicense")


def crates(features):
    """Returns the packages of cargo metadata that are compiled in, sorted by name and version."""
    choice = [] if features == "default" else ["--no-default-features", "--features", features]
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET, *choice]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    found, open_ids = set(), [root]
    while open_ids:
        node = nodes[open_ids.pop()]
        for dependency in node["deps"]:
            # A kind of null is a normal dependency: neither of tests nor of a build script.
            is_normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if is_normal and dependency["pkg"] not in found:
                found.add(dependency["pkg"])
                open_ids.append(dependency["pkg"])
    listed = sorted((packages[id] for id in found), key=lambda package: (package["name"], package["version"]))
    edges = {
        id: sorted(
            dependency["pkg"]
            for dependency in nodes[id]["deps"]
            if dependency["pkg"] in found and any(kind["kind"] is None for kind in dependency["dep_kinds"])
        )
        for id in [root, *found]
    }
    return packages[root], listed, edges


def texts(package):
    """Returns the licence texts that a crate carries, by the names of their files."""
    folder = pathlib.Path(package["manifest_path"]).parent
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and file.name.lower().startswith(NAMES)]
    # The C library behind a crate stands in a folder of its own.
    files += sorted(file for file in folder.glob("c_src/*/LICENSE*") if file.is_file())
    return [(file.name, file.read_text(errors="replace").strip()) for file in files]


def beside(libpcap):
    """Returns what is linked beside crates: name, version, licence, text."""
    rustc = subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout
    release = next(line.split(" ")[1] for line in rustc.splitlines() if line.startswith("release"))
    glibc = os.confstr("CS_GNU_LIBC_VERSION").split(" ")[1]
    lgpl = pathlib.Path("/usr/share/common-licenses/LGPL-2.1")
    parts = [
        ("glibc", glibc, "LGPL-2.1-or-later", lgpl.read_text().strip() if lgpl.exists() else ""),
        ("Rust standard library", release, "MIT OR Apache-2.0", ""),
    ]
    if libpcap:
        folder = pathlib.Path(libpcap)
        version = (folder / "VERSION").read_text().strip()
        parts.append(("libpcap", version, "BSD-3-Clause", (folder / "LICENSE").read_text().strip()))
    return parts


def licences(features, libpcap):
    """Prints each licence text once, under the parts that carry it."""
    _, listed, _ = crates(features)
    # Texts that differ in their line breaks alone are one text.
    carriers, lines = {}, []

    def carry(text, name):
        carriers.setdefault(" ".join(text.split()), (text, set()))[1].add(name)

    for package in listed:
        name = f"{package['name']} {package['version']}"
        lines.append(f"{name}: {package['license'] or 'see its text'}")
        for _, text in texts(package):
            carry(text, name)
    for name, version, licence, text in beside(libpcap):
        lines.append(f"{name} {version}: {licence}")
        if text:
            carry(text, f"{name} {version}")
    print("Parts of this program and their licences. Of a choice (OR), ftpscope takes MIT where it is offered, else the first.")
    print("The texts of MIT and Apache-2.0, for parts that carry none, are in LICENSE.\n")
    print("\n".join(lines))
    for text, names in carriers.values():
        print(f"\n{'-' * 100}\n{', '.join(sorted(names))}\n{'-' * 100}\n\n{text}")


def cyclonedx(features, libpcap):
    """Prints a CycloneDX 1.5 document."""
    root, listed, edges = crates(features)

    def reference(package):
        return f"pkg:cargo/{package['name']}@{package['version']}"

    digests = lock_digests()
    by_id = {package["id"]: package for package in [root, *listed]}

    def component(package, kind):
        value = {
            "type": kind,
            "bom-ref": reference(package),
            "name": package["name"],
            "version": package["version"],
            "purl": reference(package),
        }
        if package["license"]:
            value["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        digest = digests.get((package["name"], package["version"]))
        if digest:
            value["hashes"] = [{"alg": "SHA-256", "content": digest}]
        return value

    linked = [
        {
            "type": "library",
            "bom-ref": f"pkg:generic/{name.lower().replace(' ', '-')}@{version}",
            "name": name,
            "version": version,
            "licenses": [{"expression": licence}],
        }
        for name, version, licence, _ in beside(libpcap)
    ]
    dependencies = [
        {"ref": reference(by_id[id]), "dependsOn": [reference(by_id[other]) for other in others]}
        for id, others in sorted(edges.items(), key=lambda edge: reference(by_id[edge[0]]))
    ]
    next(entry for entry in dependencies if entry["ref"] == reference(root))["dependsOn"] += [
        part["bom-ref"] for part in linked
    ]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # The same for the same parts, so that two builds agree.
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(dependencies)).urn,
        "version": 1,
        "metadata": {"component": component(root, "application")},
        "components": [component(package, "library") for package in listed] + linked,
        "dependencies": dependencies,
    }
    json.dump(document, sys.stdout, indent=1)
    print()


def lock_digests():
    """Returns the digests of Cargo.lock by name and version."""
    digests, name, version = {}, None, None
    for line in (ROOT / "Cargo.lock").read_text().splitlines():
        key, _, value = line.partition(" = ")
        if key == "name":
            name = value.strip('"')
        elif key == "version":
            version = value.strip('"')
        elif key == "checksum":
            digests[(name, version)] = value.strip('"')
    return digests


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["licences", "cyclonedx"])
    parser.add_argument("--features", default="default")
    parser.add_argument("--libpcap", help="directory that .ci/package/libpcap made")
    arguments = parser.parse_args()
    names = arguments.features.split(",")
    libpcap = arguments.libpcap if {"default", "live"} & set(names) else None
    {"licences": licences, "cyclonedx": cyclonedx}[arguments.what](arguments.features, libpcap)


if __name__ == "__main__":
    main()
