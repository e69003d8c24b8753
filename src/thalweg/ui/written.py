"""Files of the report that was written beside a study."""

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from thalweg.errors import InputError
from thalweg.store import Store
from thalweg.store.names import inside

REPORT = "report/index.html"

KINDS = {
    ".html": "text/html",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".csv": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".tex": "text/plain; charset=utf-8",
}

FOLDERS = ("report", "figures", "tables")

ALONE = (
    "sandbox allow-scripts allow-downloads allow-top-navigation-by-user-activation; "
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a browser may do on these pages, which may be a stranger's: it keeps them apart from the
application, and from every host. The report names the scripts that may run itself.
"""


def has_report(store: Store, study: str) -> bool:
    """Return whether a report was written."""
    return (store.study_folder(study) / REPORT).is_file()


def written_file(store: Store, study: str, folder: str, file: str) -> Response:
    """Return a file as an answer.

    Raises:
        HTTPException: There is no such file of a report.
    """
    missing = HTTPException(404, "The report has no such file.")
    try:
        path = inside(store.study_folder(study) / folder, file)
    except InputError:
        raise missing from None
    if folder not in FOLDERS or path.suffix not in KINDS or not path.is_file():
        raise missing
    return FileResponse(
        path, media_type=KINDS[path.suffix], headers={"content-security-policy": ALONE}
    )
