"""The few lines that a page runs: a point of a chart shows at once what it is, and the network where it is drawn.

Without them a browser shows the same text after a while, as a title. The page's policy names their hash, so that
nothing else runs in it, even if an escape were forgotten.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape

SCRIPT = """
"use strict";
(() => {
  const box = document.createElement("div");
  box.id = "tip";
  box.hidden = true;
  document.body.append(box);
  const drawings = new Map();
  for (const one of document.querySelectorAll("template[data-drawing]")) drawings.set(one.dataset.drawing, one);
  for (const mark of document.querySelectorAll("svg .tip")) {
    const title = mark.querySelector("title");
    if (!title) continue;
    const text = title.textContent;
    title.remove();
    mark.setAttribute("role", "img");
    mark.setAttribute("aria-label", text);
    const show = () => {
      const line = document.createElement("p");
      line.textContent = text;
      const drawn = drawings.get(mark.dataset.network);
      box.replaceChildren(line, ...(drawn ? [drawn.content.cloneNode(true)] : []));
      box.hidden = false;
      const at = mark.getBoundingClientRect(), page = document.documentElement;
      const left = Math.min(at.x + at.width / 2 - box.offsetWidth / 2, page.clientWidth - box.offsetWidth - 8);
      const above = at.y - box.offsetHeight - 8;
      box.style.left = Math.max(8, left) + window.scrollX + "px";
      box.style.top = (above > 0 ? above : at.bottom + 8) + window.scrollY + "px";
    };
    const hide = () => { box.hidden = true; };
    mark.addEventListener("pointerenter", show);
    mark.addEventListener("pointerleave", hide);
    mark.addEventListener("focus", show);
    mark.addEventListener("blur", hide);
  }
})();
"""
HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()


def script() -> str:
    """Returns the element that runs."""
    return f"<script>{SCRIPT}</script>"


def templates(drawings: Mapping[str, str]) -> str:
    """Returns drawings of networks, by key, that show beside the points that have the key; `drawings` are HTML."""
    return "".join(f'<template data-drawing="{escape(key)}">{drawing}</template>' for key, drawing in drawings.items())
