"""Checks that the imports within each crate follow the crate's map and form no circles.

    python3 scripts/check_imports.py
    python3 scripts/check_imports.py --self-test

The map is the table in the documentation of `lib.rs` or `main.rs` whose first column is headed `module`. A module imports only from
modules above it in the table, and in its own row only from the left. Files of different folders must not import each other in a
circle; `NAME.rs` beside a folder `NAME` counts as a file of that folder, as `mod.rs` does. A re-exported item belongs to the file that
defines it. Tests, comments and strings are ignored.
"""

import re
import sys
import tempfile
from collections import deque
from pathlib import Path

CRATES = ("datasets", "ls-core", "ls-train", "ls-cli")
NOISE = re.compile(
    r"""//[^\n]* | /\*.*?\*/
      | (?<!\w)[bc]?r(\#*)".*?"\1 | [bc]?"(?:\\.|[^"\\])*"
      | b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\\n])'
      | pub\s*\(\s*in\s[^)]*\)""",
    re.VERBOSE | re.DOTALL,
)
TEST = re.compile(r"#\s*\[\s*cfg\s*\(\s*(?:(?:doc)?test\s*\)|all\s*\(\s*test\b[^\]]*)\s*\]")
ATTRIBUTE = re.compile(r"\s*#\s*\[[^\]]*\]")
DECLARED = re.compile(r"\bmod\s+(\w+)\s*;")
INLINE = re.compile(r"\bmod\s+(\w+)\s*\{")
USE = re.compile(r"\buse\s+([^;]*);")
TREE = re.compile(r"(?:r#)?\w+|[{},*]")
ROOTS = ("crate", "self", "super")


# Reading one file


def end_of_item(text, start):
    """Returns the position behind the item that begins at `start`."""
    depth = 0
    for match in re.compile(r"[;{}]").finditer(text, start):
        depth += {"{": 1, "}": -1, ";": 0}[match[0]]
        if depth == 0:
            return match.end()
    return len(text)


def without_tests(text):
    """Returns the text without the items for tests, and the names of the test modules that are files."""
    names = set()
    while match := TEST.search(text):
        start = match.end()
        while attribute := ATTRIBUTE.match(text, start):
            start = attribute.end()
        end = end_of_item(text, start)
        names.update(DECLARED.findall(text[start:end]))
        text = text[: match.start()] + text[end:]
    return text, names


def leaves(tokens, prefix=()):
    """Yields the paths of a use tree, each with the name that it binds."""
    path, name = prefix, None
    while tokens and tokens[0] not in "},":
        token = tokens.popleft()
        if token == "{":
            while tokens[0] != "}":
                yield from leaves(tokens, path)
                if tokens[0] == ",":
                    tokens.popleft()
            tokens.popleft()
            return
        if token == "as":
            name = tokens.popleft()
        elif token != "self" or not path:
            path += (token,)
    yield path, name or path[-1]


def inline_modules(text):
    """Yields the start, end and name of every module that is written within the file."""
    for match in INLINE.finditer(text):
        yield match.start(), end_of_item(text, match.start()), match[1]


class File:
    """A module in a file: its text without tests, its imports, and the names that they bind."""

    def __init__(self, path, module):
        self.path, self.module = path, module
        has_folder = path.with_suffix("").is_dir()
        self.folder = path.with_suffix("") if has_folder else path.parent
        code = NOISE.sub(lambda noise: " " + "\n" * noise[0].count("\n"), path.read_text(encoding="utf-8"))
        self.text, self.test_modules = without_tests(code)
        self.inline = list(inline_modules(self.text))
        self.bindings, self.imports = {}, []

    def module_at(self, position):
        """Returns the path of the module that holds a position of the text."""
        return self.module + tuple(name for start, end, name in self.inline if start < position < end)

    def read_imports(self, children):
        """Collects the paths of use trees and of expressions; `children` are the names of the modules below."""
        for match in USE.finditer(self.text):
            module = self.module_at(match.start())
            for path, name in leaves(deque(TREE.findall(match[1]))):
                self.imports.append((module, path))
                if module == self.module:
                    self.bindings[name] = path
        starts = "|".join((*ROOTS, *sorted(children)))
        inline = re.compile(rf"(?<![\w:.])(?:{starts})(?:\s*::\s*\w+)+\b(?!\s*!)")
        text = USE.sub(lambda use: " " * len(use[0]), self.text)
        for match in inline.finditer(text):
            self.imports.append((self.module_at(match.start()), tuple(re.findall(r"\w+", match[0]))))


# Reading a crate


class Crate:
    """The modules of a crate, by their paths."""

    def __init__(self, folder):
        self.name, source = folder.name, folder / "src"
        self.root = next(path for path in (source / "lib.rs", source / "main.rs") if path.exists())
        self.source, self.files, self.lost = source, {}, []
        self.add(self.root, ())
        for file in self.files.values():
            file.read_imports({path[-1] for path in self.files if path and path[:-1] == file.module})

    def add(self, path, module):
        """Adds a file and the modules that it declares."""
        file = self.files[module] = File(path, module)
        folder = path.parent if path.name in ("mod.rs", self.root.name) else path.with_suffix("")
        for name in DECLARED.findall(file.text):
            places = (folder / f"{name}.rs", folder / name / "mod.rs")
            if child := next((place for place in places if place.exists()), None):
                self.add(child, (*module, name))
            else:
                self.lost.append((module, name))

    def containing(self, module):
        """Returns the innermost module with a file."""
        while module not in self.files:
            module = module[:-1]
        return module

    def resolve(self, module, path, seen=frozenset()):
        """Returns the module that defines the item of a path, or None if another crate does."""
        file, name = self.files[self.containing(module)], path[0]
        if name == "crate":
            module = ()
        elif name == "super":
            module = module[:-1]
        elif name in file.bindings and module == file.module and (module, name) not in seen:
            return self.resolve(module, file.bindings[name] + path[1:], seen | {(module, name)})
        elif (*module, name) in self.files:
            module = (*module, name)
        elif name != "self":
            return None
        return self.descend(module, path[1:], seen)

    def descend(self, module, path, seen):
        """Follows the rest of a path from a module, through re-exports."""
        if path and path[0] == "super":
            return self.descend(module[:-1], path[1:], seen)
        if path and (*module, path[0]) in self.files:
            return self.descend((*module, path[0]), path[1:], seen)
        module = self.containing(module)
        if path and path[0] in self.files[module].bindings and (module, path[0]) not in seen:
            target = self.files[module].bindings[path[0]] + path[1:]
            return self.resolve(module, target, seen | {(module, path[0])}) or module
        return module

    def edges(self):
        """Returns the modules that each module imports from."""
        graph = {}
        for module, file in self.files.items():
            targets = {self.resolve(*reference) for reference in file.imports}
            graph[module] = sorted(targets - {None, module})
        return graph

    def shown(self, module):
        """Returns the path of a module's file for messages."""
        return str(self.files[module].path.relative_to(self.source.parent.parent))


# The checks


def lost_problems(crate):
    """Yields the modules without a file where the language expects it."""
    for module, name in crate.lost:
        yield f"{crate.shown(module)}: the file of module `{name}` was not found"


def ranks(root):
    """Returns the position of each module in the map of a crate."""
    lines = re.findall(r"^//! ?(.*)$", root.read_text(encoding="utf-8"), re.MULTILINE)
    starts = [i for i, line in enumerate(lines) if re.match(r"\| *module *\|", line)]
    names = []
    for line in lines[starts[0] + 2 :] if starts else []:
        if not line.startswith("|"):
            break
        names += re.findall(r"`(\w+)`", line.split("|")[1])
    return {name: rank for rank, name in enumerate(names)}


def map_problems(crate, graph):
    """Yields the differences between the map and the modules, and the imports that go up the map."""
    rank, root = ranks(crate.root), crate.shown(())
    modules = {module[0] for module in crate.files if module}
    for name in sorted(modules - rank.keys()):
        yield f"{root}: module `{name}` is missing in the map"
    for name in sorted(rank.keys() - modules):
        yield f"{root}: the map names `{name}`, which is not a module"
    for module, targets in sorted(graph.items()):
        for name in sorted({target[0] for target in targets if target and module}):
            if rank.get(name, -1) > rank.get(module[0], len(rank)):
                yield f"{crate.shown(module)}: imports from `{name}`, which stands later in the map than `{module[0]}`"


def components(graph):
    """Yields the strongly connected components, by Tarjan's algorithm."""
    index, low, stack = {}, {}, []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph[node]:
            if target not in index:
                yield from visit(target)
            if target in stack:
                low[node] = min(low[node], low[target])
        if low[node] == index[node]:
            at = stack.index(node)
            yield stack[at:]
            del stack[at:]

    for node in graph:
        if node not in index:
            yield from visit(node)


def way_back(graph, start, target):
    """Returns a shortest way along the imports from `start` to `target`."""
    ways = deque([[start]])
    visited = {start}
    while ways[0][-1] != target:
        way = ways.popleft()
        new = [node for node in graph[way[-1]] if node not in visited]
        visited.update(new)
        ways.extend([*way, node] for node in new)
    return ways[0]


def circle_problems(crate, graph):
    """Yields the circles of imports between files of different folders, each with an example."""
    for component in map(sorted, components(graph)):
        inside = {node: [target for target in graph[node] if target in component] for node in component}
        edges = [(node, target) for node in component for target in inside[node]]
        across = [(node, target) for node, target in edges if crate.files[node].folder != crate.files[target].folder]
        if across:
            circle = min(([node, *way_back(inside, target, node)] for node, target in across), key=len)
            files = ", ".join(map(crate.shown, component))
            yield f"{crate.name}: circle of imports, such as {' -> '.join(map(crate.shown, circle))}, among: {files}"


def problems(crate):
    """Returns all problems of a crate, as lines."""
    graph = crate.edges()
    return [*lost_problems(crate), *map_problems(crate, graph), *circle_problems(crate, graph)]


def main():
    crates = [Crate(Path(name)) for name in CRATES]
    found = [problem for crate in crates for problem in problems(crate)]
    count = sum(len(crate.files) - 1 for crate in crates)
    fine = f"{len(crates)} crates, {count} modules: no circles, every import goes down the map"
    print("\n".join(found) or fine)
    return 1 if found else 0


# The test of this script

EXAMPLE = {
    "lib.rs": """
        //! | module | contents |
        //! | --- | --- |
        //! | [`error`], `shape` | x |
        //! | `a`, `b` | x |
        mod a; mod b; mod error; mod shape;
        #[cfg(test)] mod testing;
        pub use error::{Error, Result as Outcome};
        pub use b::Late;""",
    "error.rs": "use crate::shape::Shape; // goes up: the map has error before shape",
    "shape.rs": 'const TEXT: &str = "crate::b::x"; /* crate::b */ /// crate::b\n fn f<\'a>(x: &\'a char) { x == \'"\'; }',
    "a/mod.rs": """
        mod deep; use crate::{Error, shape::{self, Shape as S}}; pub use deep::Deep; pub struct Top;
        #[cfg(test)] mod t { use crate::b::X; }
        #[cfg(test)] #[path = "a_tests.rs"] mod tests;""",
    "a/deep.rs": "use crate::Late; use super::Top; fn f() -> crate::Outcome<()> {} #[cfg(test)] use crate::testing::Y;",
    "b/mod.rs": "mod lost; pub struct Late; mod inner { use super::super::a::Top; } use crate::a::Deep;",
    "testing.rs": "use crate::b::X;",
}


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "example", "src")
        for name, text in EXAMPLE.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(re.sub(r"^ +", "", text, flags=re.MULTILINE), encoding="utf-8")
        crate = Crate(source.parent)
        graph, found = crate.edges(), problems(crate)
    assert graph[("shape",)] == [], graph
    assert graph[("a",)] == [("a", "deep"), ("error",), ("shape",)], graph
    assert graph[("a", "deep")] == [("a",), ("b",), ("error",)], graph
    assert graph[("b",)] == [("a",), ("a", "deep")], graph
    deep, late = "example/src/a/deep.rs", "example/src/b/mod.rs"
    assert found == [
        f"{late}: the file of module `lost` was not found",
        f"{deep}: imports from `b`, which stands later in the map than `a`",
        "example/src/error.rs: imports from `shape`, which stands later in the map than `error`",
        f"example: circle of imports, such as {deep} -> {late} -> {deep}, among: example/src/a/mod.rs, {deep}, {late}",
    ], found
    print("the self-test passed")


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else main())
