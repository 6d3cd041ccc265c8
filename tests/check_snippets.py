#!/usr/bin/env python3
"""Turns the C++ snippets of README.md, CONTRIBUTING.md and docs/ into sources that the tests compile and run.

Usage: check_snippets.py ROOT OUTPUT_FOLDER
       check_snippets.py --self-test

Prints the generated sources, separated by semicolons. One document gives one source; a ```cpp block in it becomes
one function, with <lamina/lamina.hpp> and <iostream> included and namespace lamina in use. main.cpp calls them all;
none may throw.
A block that has its own main() becomes a program of its own, program_*.cpp; compile_*.cpp if it is not to be run.

A block may be preceded by comments that a reader does not see:

  <!-- snippet: given CODE -->         declarations the block takes for granted
  <!-- snippet: continue -->           goes on in the scope of the block before
  <!-- snippet: compile -->            compiled, not run: it needs a file, say
  <!-- snippet: declarations -->       stands at namespace scope instead of in a function; not run
  <!-- snippet: skip REASON -->        not compiled: for sketches that are no C++
"""

import pathlib
import re
import sys
import tempfile

OPEN = re.compile(r"^( *)```[ ]*(cpp|c\+\+|cxx)[ \t]*$")
DIRECTIVE = re.compile(r"^\s*<!--\s*snippet:\s*(\w+)\b\s*(.*?)\s*-->\s*$")
MAIN = re.compile(r"^int main\(", re.MULTILINE)
DIRECTIVES = {"given", "continue", "compile", "declarations", "skip"}


class Block:
    def __init__(self, line, code, directives):
        self.line, self.code = line, code  # number of the first line of code
        self.directives = directives
        self.given = [text for name, text in directives if name == "given"]

    def has(self, name):
        return any(name == other for other, _ in self.directives)


def blocks_of(document, text):
    """The C++ blocks of a document. Complains by SystemExit."""
    blocks, directives, lines, number = [], [], text.splitlines(), 0
    while number < len(lines):
        line = lines[number]
        directive, fence = DIRECTIVE.match(line), OPEN.match(line)
        if directive:
            if directive[1] not in DIRECTIVES:
                sys.exit(f"{document}:{number + 1}: unknown directive '{directive[1]}'")
            if directive[1] == "skip" and not directive[2]:
                sys.exit(f"{document}:{number + 1}: say why the snippet is skipped")
            directives.append((directive[1], directive[2]))
        elif fence:
            first = number + 1
            end = first
            while end < len(lines) and lines[end].strip() != "```":
                end += 1
            if end == len(lines):
                sys.exit(f"{document}:{number + 1}: the block is not closed")
            indent = len(fence[1])
            blocks.append(Block(first + 1, [text[indent:] for text in lines[first:end]], directives))
            directives, number = [], end
        elif line.strip():
            if directives:
                sys.exit(f"{document}:{number + 1}: a snippet directive stands before something else than a C++ block")
            if line.lstrip().startswith("```"):  # another language
                number += 1
                while number < len(lines) and lines[number].strip() != "```":
                    number += 1
        number += 1
    return blocks


def hoist(block):
    """Preprocessor lines, and the code with those lines blank so that line numbers hold."""
    top = [line for line in block.code if line.startswith("#")]
    return top, ["" if line.startswith("#") else line for line in block.code]


def sources_of(document, blocks):
    """({source name: text}, [(function, description)]) for one document."""
    stem = re.sub(r"[^a-z0-9]+", "_", document.lower()).strip("_")
    includes, body, programs, calls = ["#include <iostream>", "#include <lamina/lamina.hpp>"], [], {}, []
    open_scope = None  # text that closes the scope of the last fragment

    def close():
        nonlocal open_scope
        if open_scope:
            body.append(open_scope)
        open_scope = None

    for number, block in enumerate(blocks, 1):
        if block.has("skip"):
            continue
        where = f'#line {block.line} "{document}"'
        name = f"snippet_{stem}_{number}"
        code = "\n".join(block.code)
        if MAIN.search(code):
            kind = "compile" if block.has("compile") else "program"
            programs[f"{kind}_{stem}_{number}.cpp"] = f"{where}\n{code}\n"
            continue
        top, rest = hoist(block)
        includes += [line for line in top if line not in includes]
        if block.has("continue"):
            if open_scope is None:
                sys.exit(f"{document}:{block.line}: there is no block to continue")
            body += [*block.given, where, *rest]
            continue
        close()
        if block.has("declarations"):
            body += [f"namespace {name} {{", "using namespace lamina;", *block.given, where, *rest, "}"]
            continue
        body += [f"void {name}();", f"void {name}() {{", "using namespace lamina;", *block.given, where, *rest]
        open_scope = "}"
        if not block.has("compile"):
            calls.append((name, f"{document}:{block.line}"))
    close()
    sources = dict(programs)
    if body:
        sources[f"{stem}.cpp"] = "\n".join([*includes, *body, ""])
    return sources, calls


def main_source(calls):
    declarations = [f"void {name}();" for name, _ in calls]
    table = [f'      {{"{where}", {name}}},' for name, where in calls]
    return "\n".join([
        "#include <cstdio>", "#include <exception>", "#include <vector>", *declarations,
        "int main() {",
        "  struct Snippet {", "    const char* where;", "    void (*run)();", "  };",
        "  const std::vector<Snippet> snippets{", *table, "  };",
        "  int failures = 0;",
        "  for (const Snippet& snippet : snippets) {",
        "    try {", "      snippet.run();",
        "    } catch (const std::exception& error) {",
        '      std::printf("%s: the snippet throws: %s\\n", snippet.where, error.what());', "      ++failures;",
        "    }", "  }",
        '  std::printf("%d snippets run, %d failures\\n", static_cast<int>(snippets.size()), failures);',
        "  return failures == 0 ? 0 : 1;", "}", ""])


def generate(root, output):
    """Writes the sources, removes old ones, touches nothing that is unchanged. Returns their paths."""
    documents = [p for p in [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]
                 if p.exists()]
    sources, calls = {}, []
    for path in documents:
        document = path.relative_to(root).as_posix()
        more, called = sources_of(document, blocks_of(document, path.read_text(encoding="utf-8")))
        sources.update(more)
        calls += called
    sources["main.cpp"] = main_source(calls)
    output.mkdir(parents=True, exist_ok=True)
    for old in output.glob("*.cpp"):
        if old.name not in sources:
            old.unlink()
    for name, text in sources.items():
        path = output / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return [output / name for name in sorted(sources)]


def self_test():
    document = "\n".join([
        "# Title", "```sh", "```", "", "```cpp", "#include <cmath>", "auto x = std::sqrt(2.0);", "```",
        "and then", "<!-- snippet: continue -->", "```cpp", "auto y = x;", "```", "", "<!-- snippet: given int n = 3; -->",
        "<!-- snippet: compile -->", "", "```cpp", "auto z = n;", "```", "<!-- snippet: skip a sketch -->", "```cpp", "...", "```",
        "<!-- snippet: declarations -->", "```cpp", "struct A {};", "```", "- item", "  ```cpp", "  f();", "  ```",
        "```cpp", "int main() {}", "```"])
    sources, calls = sources_of("docs/A page.md", blocks_of("docs/A page.md", document))
    text = sources["docs_a_page_md.cpp"]
    expected = [
        (set(sources), {"docs_a_page_md.cpp", "program_docs_a_page_md_7.cpp"}),
        ([call[1] for call in calls], ["docs/A page.md:6", "docs/A page.md:31"]),
        (text.count("#include"), 3),
        ("..." in text, False),
        (re.search(r"int n = 3;\n#line 19 .*\nauto z = n;\n}", text) is not None, True),
        (re.search(r"sqrt\(2\.0\);\n#line 12 .*\nauto y = x;\n}", text) is not None, True),
        ("\nf();" in text, True),
        (sources["program_docs_a_page_md_7.cpp"], '#line 34 "docs/A page.md"\nint main() {}\n'),
    ]
    failures = [f"expected {want!r}, got {got!r}" for got, want in expected if got != want]
    for bad in ["```cpp\nx", "<!-- snippet: skip -->\n```cpp\n```", "<!-- snippet: odd -->", "<!-- snippet: compile -->\ntext",
                "<!-- snippet: continue -->\n```cpp\n```"]:
        try:
            sources_of("a.md", blocks_of("a.md", bad))
            failures.append(f"accepted: {bad!r}")
        except SystemExit:
            pass
    with tempfile.TemporaryDirectory() as scratch:
        root, output = pathlib.Path(scratch), pathlib.Path(scratch, "out")
        (root / "README.md").write_text("```cpp\nf();\n```\n", encoding="utf-8")
        first = generate(root, output)
        stamps = [path.stat().st_mtime_ns for path in first]
        if [p.name for p in first] != ["main.cpp", "readme_md.cpp"]:
            failures.append(f"generated {first}")
        if [path.stat().st_mtime_ns for path in generate(root, output)] != stamps:
            failures.append("unchanged sources were written again")
    return failures


def main(arguments):
    if arguments == ["--self-test"]:
        failures = self_test()
        print("\n".join(failures + [f"check_snippets: {len(failures)} failures"]))
        return 1 if failures else 0
    root, output = (pathlib.Path(argument) for argument in arguments)
    print(";".join(path.as_posix() for path in generate(root, output)), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
