"""Reads the files of a release as their readers do, and prints what they say as one line of JSON.

``check_release.py recipe FILE PLATFORM`` renders a conda recipe with rattler-build, ``check_release.py package FILE DIR``
builds and tests its package without a channel, ``check_release.py formula FILE`` parses a Homebrew formula with the
grammar of Ruby, and ``check_release.py inventory FILE`` validates CycloneDX.
"""

import json
import sys
from pathlib import Path


def recipe(path, platform):
    import rattler_build

    platforms = rattler_build.PlatformConfig(target_platform=platform, host_platform=platform)
    stage = rattler_build.Stage0Recipe.from_file(path)
    variants = stage.render(rattler_build.VariantConfig(), rattler_build.RenderConfig(platforms))
    assert len(variants) == 1, variants
    return variants[0].recipe.to_dict()


def package(path, folder):
    import rattler_build

    tested = rattler_build.ToolConfiguration(test_strategy="native")
    stage = rattler_build.Stage0Recipe.from_file(path)
    [result] = stage.run_build(tool_config=tested, output_dir=folder, channels=[])
    [built] = map(rattler_build.Package.from_file, result.packages)
    found = {name: getattr(built, name) for name in ("name", "version", "depends", "files")}
    return {**found, "version": str(built.version), "log": "\n".join(result.log)}


def formula(path):
    import tree_sitter
    import tree_sitter_ruby

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_ruby.language()))
    tree = parser.parse(Path(path).read_bytes())
    return {"has_error": tree.root_node.has_error, "kinds": [node.type for node in tree.root_node.children]}


def inventory(path):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(Path(path).read_text())
    return {"error": None if error is None else str(error)}


readers = {"recipe": recipe, "package": package, "formula": formula, "inventory": inventory}
print(json.dumps(readers[sys.argv[1]](*sys.argv[2:])))
