"""A generator of the dataclasses in ``lsmi_etl`` from the JSON Schemas of the repository.

``python3 pipelines/wheel/classes_of_schemas.py`` writes the modules; with ``--check`` it compares them and
fails where one is another, which a test does. The program's own types make the schemas.
"""

from __future__ import annotations

import json
import keyword
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = Path(__file__).parent / "lsmi_etl"
SCHEMAS = Path(__file__).parents[2] / "schemas"
WIDTH = 120

#: Types of JSON, as Python has them.
SCALARS = {"boolean": "bool", "integer": "int", "number": "float", "string": "str"}


class Root(NamedTuple):
    """A type of a schema: the root, or a definition in it."""

    schema: str
    definition: str | None
    name: str


class Module(NamedTuple):
    """A module that is generated."""

    name: str
    title: str
    roots: list[Root]


MODULES = [
    Module(
        "manifest",
        "The manifest of a bundle, and the figures of its fit.",
        [Root("bundle", None, "Manifest")],
    ),
    Module(
        "results",
        "The summaries of inspect, split, fit, annotate and report.",
        [
            Root("inspect-summary", None, "InspectSummary"),
            Root("split-summary", None, "SplitSummary"),
            Root("fit-summary", None, "FitSummary"),
            Root("run-summary", None, "Summary"),
            Root("pipeline-summary", "Totals", "Totals"),
            Root("pipeline-summary", "Report", "ReportSummary"),
        ],
    ),
]


class Classes:
    """The classes of one module, each after those that it names."""

    def __init__(self, known: dict[str, str]) -> None:
        #: The module of each class of other modules.
        self.known = known
        self.imported: dict[str, set[str]] = {}
        self.typing: set[str] = set()
        self.lists = False
        #: Source by name; none while a class is being made.
        self.made: dict[str, str] = {}

    def add(self, name: str, schema: dict[str, Any], definitions: dict[str, Any]) -> None:
        """Adds a class and those that its fields name."""
        if name in self.made:
            return
        if name in self.known:
            self.imported.setdefault(self.known[name], set()).add(name)
            return
        fields = []
        for field, described in schema["properties"].items():
            fields.append(self.field(field, described, field in schema.get("required", []), definitions))
        # Fields without a default come first.
        fields.sort(key=lambda it: it[0])
        body = "\n".join(source for _, source in fields)
        source = f"@dataclass(frozen=True)\nclass {name}:\n{docstring(schema['description'])}\n\n{body}\n"
        self.made[name] = source

    def field(
        self, name: str, schema: dict[str, Any], is_required: bool, definitions: dict[str, Any]
    ) -> tuple[bool, str]:
        """Whether a field has a default, and its source."""
        hint = self.hint(schema, definitions)
        default = ""
        if not is_required:
            kind = next((kind for kind in ("list", "dict") if hint.startswith(f"{kind}[")), None)
            if kind:
                # What is empty is left out.
                default, self.lists = f" = field(default_factory={kind})", True
            elif "default" in schema:
                default = f" = {json.dumps(schema['default'])}"
            else:
                if not hint.startswith("Optional["):
                    hint = self.optional(hint)
                default = " = None"
        elif hint.startswith("Optional["):
            default = " = None"
        if keyword.iskeyword(name):
            raise SystemExit(f"the field {name} is a word of Python: give it another in the type")
        comment = textwrap.wrap(
            plain(schema["description"]), WIDTH, initial_indent="    #: ", subsequent_indent="    #: "
        )
        return bool(default), "\n".join([*comment, f"    {name}: {hint}{default}"])

    def hint(self, schema: dict[str, Any], definitions: dict[str, Any]) -> str:
        """The type of a schema; classes that it names are added."""
        if "$ref" in schema:
            return self.reference(schema["$ref"].rpartition("/")[2], definitions)
        if "anyOf" in schema:
            hints = [self.hint(kind, definitions) for kind in schema["anyOf"] if kind != {"type": "null"}]
            kinds = list(dict.fromkeys(hints))
            hint = kinds[0]
            if len(kinds) > 1:
                self.typing.add("Union")
                hint = f"Union[{', '.join(kinds)}]"
            return self.optional(hint) if {"type": "null"} in schema["anyOf"] else hint
        if "oneOf" in schema:
            self.typing.add("Literal")
            return f"Literal[{', '.join(json.dumps(kind['const']) for kind in schema['oneOf'])}]"
        kind = schema["type"]
        if isinstance(kind, list):
            [kind] = [one for one in kind if one != "null"]
            return self.optional(self.hint({**schema, "type": kind}, definitions))
        if kind == "array":
            return f"list[{self.hint(schema['items'], definitions)}]"
        if kind == "object" and "properties" in schema:
            # One of several forms of a value, which have no names.
            self.typing.add("Any")
            return "dict[str, Any]"
        if kind == "object":
            return f"dict[str, {self.hint(schema['additionalProperties'], definitions)}]"
        return SCALARS[kind]

    def reference(self, name: str, definitions: dict[str, Any]) -> str:
        schema = definitions[name]
        if "properties" not in schema:
            return self.hint(schema, definitions)
        self.add(name, schema, definitions)
        return name

    def optional(self, hint: str) -> str:
        self.typing.add("Optional")
        return f"Optional[{hint}]"


def plain(text: str) -> str:
    """A description without line breaks and links of rustdoc."""
    return " ".join(text.split()).replace("[`", "`").replace("`]", "`")


def docstring(text: str) -> str:
    text = plain(text)
    if len(text) <= WIDTH - 10:
        return f'    """{text}"""'
    lines = textwrap.wrap(text, WIDTH, initial_indent='    """', subsequent_indent="    ")
    return "\n".join([*lines, '    """'])


def source(module: Module, known: dict[str, str]) -> str:
    """The text of a module, whose classes are added to the known ones."""
    classes = Classes(known)
    for root in module.roots:
        schema = json.loads((SCHEMAS / f"{root.schema}.schema.json").read_text("utf-8"))
        definitions = schema["$defs"]
        classes.add(root.name, definitions[root.definition] if root.definition else schema, definitions)
    names = sorted(classes.made)
    known.update({name: module.name for name in names})
    dataclass_names = "dataclass, field" if classes.lists else "dataclass"
    imports = f"from dataclasses import {dataclass_names}\n"
    if classes.typing:
        imports += f"from typing import {', '.join(sorted(classes.typing))}\n"
    if classes.imported:
        imports += "\n"
    for name, of in sorted(classes.imported.items()):
        imports += f"from lsmi_etl.{name} import {', '.join(sorted(of))}\n"
    rules = [rule for name, rule in (("Union", "UP007"), ("Optional", "UP045")) if name in classes.typing]
    listed = "".join(f'    "{name}",\n' for name in names)
    head = (
        f'"""{module.title}\n\nGenerated from the JSON Schemas of the program by '
        f'``pipelines/wheel/classes_of_schemas.py``.\n"""\n\n'
        # Python 3.9 evaluates the hints when JSON is decoded.
        f"# ruff: noqa: {', '.join(rules)}\n\n"
        f"from __future__ import annotations\n\n{imports}\n__all__ = [\n{listed}]\n"
    )
    return "\n\n".join([head, "\n\n".join(classes.made.values())])


def main() -> None:
    known: dict[str, str] = {}
    for module in MODULES:
        path, text = PACKAGE / f"{module.name}.py", source(module, known)
        if sys.argv[1:] == ["--check"]:
            if path.read_text("utf-8") != text:
                raise SystemExit(f"{path} is not what the schemas give: run {Path(__file__).name}")
        else:
            path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
