"""A hook of MkDocs: pages that are made of what the repository has elsewhere, so that they cannot say other things.

The settings of every command come from conf/ as `nastk help COMMAND` reads them; the front page is README.md; the
reports of benchmarks are linked wherever a page names one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from nastk.__main__ import COMMANDS
from nastk.cli.help import help_text
from nastk.cli.plain import plain_help
from nastk.config.build import shipped

ROOT = Path(__file__).resolve().parents[1]
REPORTS = "scripts/benchmarks/reports"
WHOLE = "wish"
COPIED = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
# What a link says in the repository, and on the site.
LINKS = (
    (re.compile(r"\]\((?:\.\./)?docs/"), "]("),
    (re.compile(r"\]\((?:\.\./)?CONTRIBUTING\.md"), "](contributing.md"),
    (re.compile(r"\]\((?:\.\./)?README\.md"), "](index.md"),
    (re.compile(rf"\]\(\.\./{REPORTS}/"), "](reports/"),
    (re.compile(rf"(?<!\[)`{REPORTS}/([\w.-]+\.md)`"), r"[\1](reports/\1)"),
)


def on_config(config: Any) -> Any:
    """Adds the pages of settings to the navigation."""
    pages = [{title: f"settings/{name}.md"} for name, title in _settings_pages()]
    config.nav.insert(3, {"Settings": [*pages, {"Options of each group": "settings/groups.md"}]})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that are made here, and what they link to."""
    made = {f"settings/{name}.md": settings_page(name, title) for name, title in _settings_pages()}
    made["settings/groups.md"] = groups_page()
    made |= {page: (ROOT / file).read_text(encoding="utf-8") for page, file in COPIED.items()}
    for path in sorted((ROOT / REPORTS).glob("*.md")):
        made[f"reports/{path.name}"] = path.read_text(encoding="utf-8")
    for place, text in made.items():
        files.append(File.generated(config, place, content=text))
    for path in sorted((ROOT / REPORTS).glob("*.png")):
        files.append(File.generated(config, f"reports/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Returns a page whose links lead to the site's copies."""
    if page.file.src_uri.startswith(("reports/", "settings/")):
        return markdown
    for link, there in LINKS:
        markdown = link.sub(there, markdown)
    return markdown


def settings_page(name: str, title: str) -> str:
    """Returns the page of a command: its settings as they stand in conf/, with their comments."""
    if not (shipped("conf") / f"{name}.yaml").is_file():
        return f"# `{title}`\n\n```text\n{_plain(name)}\n```\n"
    text = help_text(name, ["--help"])
    assert text is not None, name
    header, _, rest = text.partition("Settings: override with name=value\n")
    settings, _, end = rest.partition("\nallow_targets=")
    described, _, groups = header.partition("Groups: choose with group=option\n")
    lines = [f"# `{title}`", described.strip(), "## Settings", f"```yaml\n{settings.strip()}\n```"]
    if groups.strip():
        lines += ["## Groups", "`group=option` takes another option:", *_listed(groups)]
    return "\n\n".join([*lines, "## Everywhere, and examples", f"```text\nallow_targets={end.rstrip()}\n```"]) + "\n"


def groups_page() -> str:
    """Returns the page of every option of every group, each as its file has it."""
    found = ["# Options of each group", "`group=option` on the command line takes one; then its settings can be given."]
    folders = [path for path in sorted(shipped("conf").iterdir()) if path.is_dir() and path.name != "hydra"]
    for folder in [*folders, shipped("search_spaces")]:
        group = "space" if folder.name == "search_spaces" else folder.name
        found += [f"## {group}"]
        for path in sorted(folder.glob("*.yaml")):
            found += [f"### `{group}={path.stem}`", f"```yaml\n{path.read_text(encoding='utf-8').strip()}\n```"]
    return "\n\n".join(found) + "\n"


def _settings_pages() -> Iterator[tuple[str, str]]:
    yield WHOLE, "nastk images=FOLDER"
    for name in COMMANDS:
        yield name, f"nastk {name}"


def _plain(name: str) -> str:
    """Returns the help of a command that Hydra has no part in."""
    from importlib import import_module

    entry = import_module(f"nastk.{name}")
    settings = getattr(import_module(f"nastk.jobs.{name}"), f"{name.capitalize()}Settings")
    return plain_help(settings, entry.HEADER, entry.EXAMPLES)


def _listed(groups: str) -> Iterator[str]:
    lines = (line.partition(": ") for line in groups.strip().splitlines())
    yield "\n".join(f"- [{name}](groups.md#{name}): {options}" for name, _, options in lines)
