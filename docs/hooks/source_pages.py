"""MkDocs hook: links that leave docs/ lead to pages that are made of what they point at.

In a checkout a link such as ../srv/Segment.srv opens the file. The site has no checkout beside it and needs no network,
so each file that a page links to becomes a page, `source/srv/Segment.srv`, and each folder a list of its files.
CHANGELOG.md and CONTRIBUTING.md, which lie where people look for them, become pages of the navigation.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES_OF_THE_ROOT = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
LANGUAGES = {".py": "python", ".yaml": "yaml", ".launch": "xml", ".cpp": "cpp"}  # of code blocks; others are plain
NOT_FOUND_BY_SEARCH = "---\nsearch:\n  exclude: true\n---\n\n"

LINK = re.compile(r"(\]\()([^)\s]+)(\))")
FENCE = re.compile(r"^ *```")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the root's pages, and pages of everything in the repository that pages link to."""
    wanted = set()
    for name, page in PAGES_OF_THE_ROOT.items():
        if files.get_file_from_path(page) is None:
            files.append(File.generated(config, page, content=(ROOT / name).read_text()))
    for file in files.documentation_pages():
        wanted |= {path for path in linked_paths(file.content_string, folder_of(file.src_uri)) if is_source(path)}
    for path in sorted(wanted):
        for source, content in source_pages(path):
            if files.get_file_from_path(source) is None:
                files.append(File.generated(config, source, content=content))
    return files


def on_page_markdown(markdown: str, page, config: MkDocsConfig, files: Files) -> str:
    """Turns links of the repository into links of the site."""
    here = page.file.src_uri
    if here.startswith("source/"):
        return markdown

    def on_the_site(target: str) -> str:
        path, anchor = repository_path(target, folder_of(here))
        if path is None:
            return target
        return posixpath.relpath(page_of(path), posixpath.dirname(here) or ".") + anchor

    return with_links(markdown, on_the_site)


def folder_of(page: str) -> str:
    """The folder of the repository from which links of a page of the site count."""
    return "." if page in PAGES_OF_THE_ROOT.values() else posixpath.join("docs", posixpath.dirname(page))


def repository_path(target: str, folder: str) -> tuple[str | None, str]:
    """The path in the repository that a link from a folder of it leads to, None for one elsewhere; and its #anchor."""
    path, hash_sign, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return None, ""
    return posixpath.normpath(posixpath.join(folder, path)), hash_sign + anchor


def page_of(path: str) -> str:
    """The source file of the site in which something of the repository is shown."""
    if path in PAGES_OF_THE_ROOT:
        return PAGES_OF_THE_ROOT[path]
    if not is_source(path):
        return posixpath.relpath(path, "docs")
    return f"source/{path}/index.md" if (ROOT / path).is_dir() else f"source/{path}.md"


def is_source(path: str) -> bool:
    """Whether a path of the repository is not a page of the site by itself."""
    return not path.startswith("docs/") and path not in PAGES_OF_THE_ROOT


def source_pages(path: str) -> Iterator[tuple[str, str]]:
    """Pages of a file, or of a folder and its files: where each lies in the site, and its Markdown."""
    full = ROOT / path
    if full.is_file():
        yield page_of(path), NOT_FOUND_BY_SEARCH + _file_page(full, path)
        return
    files = sorted(entry for entry in full.iterdir() if entry.is_file() and is_text(entry))
    names = "".join(f"- [{file.name}]({file.name}.md)\n" for file in files)
    yield page_of(path), f"{NOT_FOUND_BY_SEARCH}# {path}/\n{names}"
    for file in files:
        yield from source_pages(f"{path}/{file.name}")


def is_text(file: Path) -> bool:
    return file.suffix not in {".pyc", ".safetensors"} and not file.name.startswith(".")


def _file_page(file: Path, path: str) -> str:
    if file.suffix == ".md":
        return file.read_text()
    return f"# {path}\n````{LANGUAGES.get(file.suffix, 'text')}\n{file.read_text()}````\n"


def linked_paths(markdown: str, folder: str) -> set[str]:
    """All that a Markdown text in a folder of the repository links to, as paths of the repository."""
    paths = set()
    with_links(markdown, lambda target: paths.add(repository_path(target, folder)[0]) or target)
    return paths - {None}


def with_links(markdown: str, change: Callable[[str], str]) -> str:
    """The text with the targets of its links and images changed; what stands in code blocks stays."""
    lines, in_code = [], False
    for line in markdown.split("\n"):
        in_code ^= bool(FENCE.match(line))
        lines.append(line if in_code else LINK.sub(lambda m: m[1] + change(m[2]) + m[3], line))
    return "\n".join(lines)
