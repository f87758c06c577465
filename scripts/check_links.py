"""Checks the links between the Markdown files of the repository.

    python3 scripts/check_links.py

A link must lead to a file, and its part behind `#` to a heading there. Pages of the guide may only link to other pages of it, or
they would break in the book; and the book's SUMMARY.md must name every page. Addresses of other sites are not visited.
"""

import re
import subprocess
import sys
from pathlib import Path

BOOK = Path("docs")
LINK = re.compile(r"\]\(([^()\s]+)\)")
FENCE = re.compile(r"^ *(```|~~~).*?^ *\1", re.MULTILINE | re.DOTALL)


def prose(page):
    """The text without its code."""
    return re.sub(r"`[^`\n]*`", lambda code: "x" * len(code[0]), FENCE.sub("", page.read_text(encoding="utf-8")))


def anchors(page):
    """Names of the headings, by the rule that GitHub and mdBook share: letters, digits, `-` and `_` stay, spaces become `-`."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for heading in re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE):
        heading = re.sub(r"\]\([^)]*\)", "", heading).lower()
        yield "".join("-" if c == " " else c for c in heading if c.isalnum() or c in " -_")


def problems(page):
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve().relative_to(Path.cwd()) if path else page
        if not target.exists():
            yield f"{page}: {link} does not exist"
        elif BOOK in page.parents and BOOK not in target.parents:
            yield f"{page}: {link} leads out of the book"
        elif anchor and anchor not in anchors(target):
            yield f"{page}: {link}: {target} has no such heading"


def main():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], capture_output=True, text=True, check=True)
    pages = [Path(line) for line in listed.stdout.splitlines()]
    found = [problem for page in pages for problem in problems(page)]
    summary = BOOK / "SUMMARY.md"
    named = {summary.parent / link for link in LINK.findall(summary.read_text(encoding="utf-8"))}
    in_book = {page for page in pages if BOOK in page.parents} - {summary}
    found += [f"{summary}: {page} is missing" for page in sorted(in_book - named)]
    print("\n".join(found) if found else f"links of {len(pages)} files lead somewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
