"""Where does the agent's page come from?"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parent / "page"
FILES = {
    "/": "index.html",
    "/page/style.css": "style.css",
    "/page/page.js": "page.js",
    "/page/words.js": "words.js",
}
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; img-src data:",
}


def add_routes(router: web.UrlDispatcher) -> None:
    """Serve the page and its parts."""
    for path in FILES:
        router.add_get(path, _serve)


async def _serve(request: web.Request) -> web.FileResponse:
    return web.FileResponse(FOLDER / FILES[request.path], headers=HEADERS)
