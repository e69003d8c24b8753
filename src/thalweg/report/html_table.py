"""Tables as HTML that stands alone, for notebooks."""

import html
from collections.abc import Iterable, Sequence


def html_table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    numeric: Sequence[bool],
    caption: str = "",
) -> str:
    """Return an HTML table; numbers are aligned to the right."""

    def line(tag: str, cells: Sequence[str]) -> str:
        sides = ("right" if right else "left" for right in numeric)
        inside = "".join(
            f'<{tag} style="text-align: {side}">{html.escape(cell)}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        )
        return f"<tr>{inside}</tr>"

    above = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    body = "".join(line("td", row) for row in rows)
    return f"<table>{above}<thead>{line('th', header)}</thead><tbody>{body}</tbody></table>"
