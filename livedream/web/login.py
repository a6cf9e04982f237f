"""The door of a mirror that others can reach: whoever brings the token gets a cookie, others a form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livedream.web.access import Access
from livedream.web.site import HEADERS

if TYPE_CHECKING:
    from aiohttp import web

_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'"
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="dark">
{refresh}<title>livedream</title>
<link rel="icon" href="/static/icon.svg">
<link rel="stylesheet" href="/static/login.css">
</head>
<body>
<main>
<h1>livedream</h1>
{content}
</main>
</body>
</html>
"""
_FORM = """\
<form method="post" action="/login">
<label for="token">Token of this mirror</label>
<input id="token" name="token" autocomplete="off" autocapitalize="none" spellcheck="false" required autofocus
{described}>
<p id="wrong" role="alert">{wrong}</p>
<button>Enter</button>
</form>
<p class="hint">The mirror shows it, and a code to scan, when F2 is pressed on its keyboard.</p>
"""
_ENTERING = '<p><a href="/">Entering …</a></p>'


async def log_in(access: Access, request: web.Request) -> web.StreamResponse:
    """The answer to somebody who has not been let in yet: in, if they bring the token now."""
    from aiohttp import web

    shown = request.query.get("token", "")
    if request.method == "POST" and request.path == "/login":
        shown = str((await request.post()).get("token", ""))
    if shown and access.knows(shown, request):
        return ask(request, arrived=True, access=access)
    if access.tired_of(request):
        text = "too many wrong tokens; try again in a minute\n"
        raise web.HTTPTooManyRequests(text=text, headers=HEADERS | {"Retry-After": "60"})
    if request.path in ("/", "/login"):
        return ask(request, wrong="This is not the token." if shown else "")
    text = (
        "this mirror wants its token: open its page first, or send the header Authorization: Bearer TOKEN\n"
    )
    raise web.HTTPUnauthorized(text=text, headers=HEADERS | {"WWW-Authenticate": "Bearer"})


def ask(
    request: web.Request, *, wrong: str = "", arrived: bool = False, access: Access | None = None
) -> web.StreamResponse:
    """The form, or for who has ``arrived`` the way on, which leaves the token out of the address.

    ``access`` gives them the cookie. The way on is a page, no redirect: after a link from elsewhere, a strict
    cookie is sent only when a page of this site leads on.
    """
    from aiohttp import web

    refresh = '<meta http-equiv="refresh" content="0; url=/">\n' if arrived else ""
    described = 'aria-describedby="wrong" aria-invalid="true"' if wrong else ""
    content = _ENTERING if arrived else _FORM.format(wrong=wrong, described=described)
    response = web.Response(
        text=_PAGE.format(refresh=refresh, content=content),
        status=200 if arrived else 401,
        content_type="text/html",
        headers=HEADERS | {"Content-Security-Policy": _POLICY},
    )
    if access is not None:
        access.remember(request, response)
    return response
