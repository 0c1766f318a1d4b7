"""Checks that relative links lead to a file, and to a heading of it where they name one.

links.py repository FOLDER   of the Markdown files that git knows; those of docs stay in docs, which is a book
links.py book FOLDER         of the HTML pages that mdBook has built
"""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The targets and the anchors of an HTML page."""

    def __init__(self):
        super().__init__()
        self.links, self.anchors = [], set()

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.links.append(value)
            if name in ("id", "name") and value:
                self.anchors.add(value)


def html(path):
    page = Page()
    page.feed(path.read_text())
    return page.links, page.anchors


def slug(heading):
    """The anchor that GitHub and mdBook give a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def markdown(path):
    links, anchors, fenced = [], set(), False
    for line in path.read_text().splitlines():
        if line.startswith("```"):
            fenced = not fenced
        if fenced or line.startswith("    "):
            continue
        if heading := re.match(r"#+ (.*)", line):
            name, anchor, number = slug(heading[1]), slug(heading[1]), 0
            while anchor in anchors:
                number += 1
                anchor = f"{name}-{number}"
            anchors.add(anchor)
        links += re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line))
    return links, anchors


def main():
    kind, root = sys.argv[1], Path(sys.argv[2]).resolve()
    if kind == "book":
        pages, read = sorted(root.rglob("*.html")), html
    else:
        listed = subprocess.run(
            ["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
            check=True, capture_output=True, text=True,
        ).stdout.split()
        pages, read = [root / name for name in listed if (root / name).exists()], markdown
    contents = {page: read(page) for page in pages}
    faults, count = [], 0
    for page, (links, _) in contents.items():
        for link in links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            count += 1
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            # The pages that mdBook makes for printing and for missing pages name all others from the root.
            if parts.path.startswith("/"):
                target = root / unquote(parts.path).lstrip("/")
            if not target.exists():
                faults.append(f"{page}: there is no {link}")
            elif kind == "repository" and page.parent == root / "docs" and target.parent != page.parent:
                faults.append(f"{page}: {link} is not in the book")
            elif parts.fragment and target in contents and unquote(parts.fragment) not in contents[target][1]:
                faults.append(f"{page}: there is no heading {link}")
    print("\n".join(faults) or f"{count} links of {len(pages)} pages")
    sys.exit(bool(faults))


main()
