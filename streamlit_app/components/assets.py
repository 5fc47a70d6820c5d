"""The editor's script, and the way to it on the server: fetched once, and kept by the browser until it changes."""

from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

HERE = Path(__file__).parent
SCRIPT = HERE / "editor" / "built" / "editor.js"
PLACE = "headwork-assets"


@cache
def address() -> str:
    """The script's, relative to the page's; another content has another address."""
    return f"{PLACE}/editor-{blake2b(SCRIPT.read_bytes(), digest_size=8).hexdigest()}.js"


def route() -> "Route":
    """To hand to `st.App`."""
    from starlette.routing import Route

    return Route(f"/{PLACE}/{{name}}", _script)


async def _script(request: "Request") -> "Response":
    from starlette.responses import FileResponse, PlainTextResponse

    if f"{PLACE}/{request.path_params['name']}" != address():
        return PlainTextResponse("There is no such file.", status_code=404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return FileResponse(SCRIPT, media_type="text/javascript", headers=headers)
