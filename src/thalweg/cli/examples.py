"""Examples below the help of a command."""


def with_examples(*commands: str) -> str:
    """Return what stands below a command's help."""
    head = "Example:" if len(commands) == 1 else "Examples:"
    return "\n".join([head, *(f"  {command}" for command in commands)])
