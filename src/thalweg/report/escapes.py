"""Plain text as it stands in LaTeX and in Markdown."""

import re
import unicodedata

SIGNS = {
    "±": "pm",
    "×": "times",
    "·": "cdot",
    "λ": "lambda",
    "Λ": "Lambda",
    "∞": "infty",
    "★": "star",
    "≤": "leq",
    "≥": "geq",
    "≈": "approx",
}
"""Commands of signs, and of the letter whose name is its own in Unicode."""

GREEK = {
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa", "mu", "nu"),
    *("xi", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega"),
    *("Gamma", "Delta", "Theta", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega"),
}
"""Commands of letters, by their names but for lambda, which Unicode calls lamda."""

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: "\\" + character for character in "{}$&#_%"},
    # Behind the end of a row these two would be its options.
    "[": "{[}",
    "*": "{*}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{MINUS SIGN}": "$-$",
    **{sign: f"$\\{command}$" for sign, command in SIGNS.items()},
}


def latex_text(text: str) -> str:
    """Return a line of text as LaTeX that shows it in text mode.

    Greek letters, superscripts and the signs that tables have become mathematics, which needs no
    package; letters of other scripts stay, and are for an engine and a font that have them.
    """
    escaped = "".join(map(_latex, _line(text)))
    return re.sub("-(?=-)", "-{}", escaped)  # two would become one longer


def markdown_text(text: str) -> str:
    """Return a line of text as Markdown that shows it, in a cell of a table too."""
    return re.sub(r"([\\`*_{}\[\]<>|~&#$])", r"\\\1", _line(text))


def _line(text: str) -> str:
    return " ".join(text.splitlines())


def _latex(character: str) -> str:
    if character in LATEX:
        return LATEX[character]
    kind, _, code = unicodedata.decomposition(character).partition(" ")
    if kind in ("<super>", "<sub>"):
        return f"${'^' if kind == '<super>' else '_'}{{{chr(int(code, 16))}}}$"
    name = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", unicodedata.name(character, ""))
    if name is None:
        return character
    command = name[2].lower() if name[1] == "SMALL" else name[2].capitalize()
    return f"$\\{command}$" if command in GREEK else character
